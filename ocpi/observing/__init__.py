"""What Prometheus is told: counters of this process, and what the database says at the time."""

"""The ways to stations: a charging station backend over HTTP, and a simulator."""

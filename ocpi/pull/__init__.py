"""Pulling what partners list: on a schedule and on demand, stored, and told to others by a hub."""

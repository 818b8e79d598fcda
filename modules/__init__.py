"""What platforms exchange: a room per OCPI module, and our own stations."""

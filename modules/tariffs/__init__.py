"""The module tariffs: what charging costs."""

"""Erasing a driver: every place that holds a token's uid or a contract id, and what may hinder."""

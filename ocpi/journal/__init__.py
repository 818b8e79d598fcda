"""The message log: every exchange with partners, noted in memory and stored redacted."""

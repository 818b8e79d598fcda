"""A mock eMSP and sample objects, for contract tests, demonstrations and people who try things."""

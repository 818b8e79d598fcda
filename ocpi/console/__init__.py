"""The operator's web pages, rendered here; no build step, and nothing from another site."""

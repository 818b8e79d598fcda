"""The module locations: where EVs charge, and what is free right now."""

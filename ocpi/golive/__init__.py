"""Before a partner goes live: what it may see, and whether it is ready."""

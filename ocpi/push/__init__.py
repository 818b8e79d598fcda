"""How partners are kept up to date: what changed, who is behind on it, and the telling."""

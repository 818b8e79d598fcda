"""How platforms come to trust each other: versions, the exchange of tokens, and what staff do."""

"""Our own stations: the registry that Locations are published from."""

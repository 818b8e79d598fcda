"""How the schema came to be, see ocpi.migrate."""

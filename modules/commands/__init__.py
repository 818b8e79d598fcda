"""The module commands: what eMSPs have stations do."""

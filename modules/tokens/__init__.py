"""The module tokens: who may charge."""

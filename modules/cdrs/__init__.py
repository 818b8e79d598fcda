"""The module cdrs: what charging sessions came to, told once and for all."""

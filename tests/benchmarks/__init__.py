"""How fast it is: ratios between servers that take turns in one run, never absolute promises."""

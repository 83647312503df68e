"""How fast projections are: see README.md."""

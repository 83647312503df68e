"""The domain that is measured. Each build loads branches.py as a module of its own, not as part of bench."""

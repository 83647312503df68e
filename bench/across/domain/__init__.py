"""The domains that are measured. Each build loads their modules as its own, not as part of bench."""

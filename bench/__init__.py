"""Measurements beside peers and limits, side by side in one run. Not part of what is installed."""

"""Domains that ship with Commander, to run and to learn from."""

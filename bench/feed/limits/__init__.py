"""Servers that know no GraphQL: how fast the same frames can be sent, and received, at all."""

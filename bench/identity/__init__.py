"""Identity: what a token costs, and how soon streams end with it."""

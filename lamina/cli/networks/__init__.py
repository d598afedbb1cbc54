"""`lamina network`: make, list, show, join and remove networks."""

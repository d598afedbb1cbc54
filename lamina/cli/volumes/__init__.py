"""`lamina volume`: make, list, show and remove volumes."""

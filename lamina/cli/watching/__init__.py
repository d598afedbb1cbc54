"""`lamina watch`: save, and the new container answers."""

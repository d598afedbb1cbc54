"""The store: layers, images and names of one user, shared by many processes."""

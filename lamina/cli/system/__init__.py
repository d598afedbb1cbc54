"""`lamina system`: what keeps the store sound and small."""

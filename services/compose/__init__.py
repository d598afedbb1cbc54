"""The compose file format: files to one canonical tree."""

"""The commands that read recipes and build nothing."""

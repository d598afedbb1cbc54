"""The commands that talk to registries."""

"""The commands of a container's life."""

"""Isolated processes: snapshots, sandboxes, containers, networks."""

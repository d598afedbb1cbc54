"""What attends to a container while it lives: its streams, log, health and end."""

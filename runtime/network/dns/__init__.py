"""Names of containers: a resolver for each container on networks of its own."""

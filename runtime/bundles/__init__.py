"""OCI bundles: a container as the runtime specification writes it down."""

"""Registries: pull, push and copy over the OCI distribution protocol."""

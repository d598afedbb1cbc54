"""Several services from a compose file: what it says, and making it so."""

"""Commands on projects of several services, as docker compose has them."""

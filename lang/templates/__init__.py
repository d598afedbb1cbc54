"""Templates: a recipe rendered with Jinja2, every character with its origin."""

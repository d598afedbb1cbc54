"""Requests to one host: connections, challenges, redirects, second tries."""

"""Links, addresses, rules and ports: how a container reaches others, and they it."""

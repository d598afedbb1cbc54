"""How a build's events are shown: plain lines, a live view, JSON."""

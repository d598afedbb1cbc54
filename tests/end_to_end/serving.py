"""A small web server under `lamina watch`, and a page to save."""

from __future__ import annotations

import os
from pathlib import Path

from tests.end_to_end.bases import Lamina
from tests.end_to_end.hammering import ask
from tests.end_to_end.watching import Watch, watch

RECIPE = """FROM busybox
COPY www /srv
EXPOSE 8000
CMD ["httpd", "-f", "-p", "8000", "-h", "/srv"]
"""


def page(folder: Path, text: str) -> None:
    """Save the page as vim would: aside, and into its place."""
    new = folder / "www/.index.html.swp"
    new.write_text(text)
    os.rename(new, folder / "www/index.html")


class Served:
    """A watched server: its port, and the events."""

    def __init__(self, lamina: Lamina, *args: str | Path) -> None:
        self.seen: Watch = watch(lamina, "-p", "8000", *args)
        self.seen.outcome("swapped", "failed")
        told = next(e for e in self.seen.events if e["event"] == "serves")
        self.port = int(told["ports"][0].partition("->")[0].rpartition(":")[2])

    def ask(self, path: str = "/") -> str:
        return ask(self.port, path)

    def failed(self) -> str:
        """How the next round fails."""
        self.seen.outcome("failed")
        errors = [e for e in self.seen.events if e["event"] == "error"]
        assert errors[-1]["serving"] is True
        return f"{errors[-1]['message']}\n{errors[-1]['excerpt']}"

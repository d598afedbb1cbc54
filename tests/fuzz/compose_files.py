"""Compose files as a fuzz target: any bytes are a project, or a ComposeError."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from lamina.services.compose.asked import Asked
from lamina.services.compose.load import load
from lamina.services.errors import ComposeError

BETWEEN = b"\xff"
# What the files may extend, include and read.
BESIDE = {
    "base.yaml": "services: {base: {image: x, ports: ['80:80'], environment: [A]}}",
    "e.env": "A=1\nB='x $A'\n",
}
VARIABLES = {"HOME": "/home/me", "A": "1", "EMPTY": ""}


def compose_files(data: bytes) -> None:
    """Load one file, or several with BETWEEN between them; fails with what is neither
    a project nor a ComposeError, and with a project that JSON cannot hold."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in BESIDE.items():
            Path(folder, name).write_text(text)
        names = []
        for number, part in enumerate(data.split(BETWEEN)[:4]):
            names.append(f"{number}.yaml")
            Path(folder, names[-1]).write_bytes(part)
        asked = Asked(
            folder, VARIABLES, files=tuple(names), name="fuzz", profiles=("*",)
        )
        try:
            json.dumps(load(asked).tree).encode()
        except ComposeError as error:
            f"{error.place} {error.message} {error.hint} {error.excerpt}".encode()

"""A project of services in a folder of its own, as a user brings it up and down."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.end_to_end.bases import Done, Lamina


class App:
    """The command, called in the folder of a compose file."""

    def __init__(self, lamina: Lamina, folder: Path) -> None:
        self.lamina = lamina
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.has("services: {}\n")

    def has(self, text: str, name: str = "compose.yaml") -> None:
        """The project's file says this from now on."""
        self.file(name, text)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def __call__(self, *words: str, **options: Any) -> Done:
        return self.lamina.run(*words, cwd=self.folder, **options)

    def compose(self, *words: str, **options: Any) -> Done:
        return self("compose", *words, **options)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return self.lamina.start(*words, cwd=self.folder)

    def up(self, *words: str, **options: Any) -> Done:
        return self("up", "-d", *words, **options)

    def states(self, *words: str) -> dict[str, str]:
        """The states of the project's containers, by their names."""
        lines = self.compose("ps", "-a", "--format", "json", *words).out.splitlines()
        return {row["Name"]: row["State"] for row in map(json.loads, lines)}

    def identities(self) -> dict[str, str]:
        """The IDs of the project's containers, by their names."""
        lines = self.compose("ps", "-a", "--format", "json").out.splitlines()
        return {row["Name"]: row["ID"] for row in map(json.loads, lines)}

    def says(self, service: str, *command: str) -> str:
        """What a command in a service's container writes."""
        return self.compose("exec", "-T", service, *command).out.strip()

    def end(self) -> None:
        """Nothing of the project is left, whatever its file says by now."""
        name = self.folder.name
        os.unlink(self.folder / "compose.yaml")
        self.compose("-p", name, "down", "-v", "--remove-orphans", "-t", "0")

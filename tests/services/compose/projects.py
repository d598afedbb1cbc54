"""Projects in a temporary folder, for the tests of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.services.compose.asked import Asked, Loaded
from lamina.services.compose.load import load
from lamina.services.errors import ComposeError
from lamina.values import replace

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def loaded(folder: Path, text: str, **asked: Any) -> Loaded:
    """The project of a compose.yaml in the folder."""
    write(folder, {"compose.yaml": text})
    plain = Asked(str(folder), {"HOME": "/home/me"}, name="app")
    return load(replace(plain, **asked))


def service(folder: Path, text: str, **asked: Any) -> dict[str, Any]:
    """The canonical form of a service with an image and these lines."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    whole = f"services:\n  web:\n    image: nginx\n{lines}"
    found: dict[str, Any] = loaded(folder, whole, **asked).tree["services"]["web"]
    return found


def refused(folder: Path, text: str, **asked: Any) -> ComposeError:
    """What is wrong with a compose.yaml."""
    with pytest.raises(ComposeError) as caught:
        loaded(folder, text, **asked)
    return caught.value


def service_refused(folder: Path, text: str, **asked: Any) -> ComposeError:
    """What is wrong with these lines of a service; the first is line 4."""
    with pytest.raises(ComposeError) as caught:
        service(folder, text, **asked)
    return caught.value

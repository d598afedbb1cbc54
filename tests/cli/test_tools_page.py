"""docs/tools.md: what it says that commands print is what they print.

`python -m tests.cli.test_tools_page` writes the page's output anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

import pytest

from lamina.cli.main import main
from lamina.lang.codec import CLASSES
from lamina.lang.words import Substitution

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def played(text: str) -> str:
    """The page with the output that its commands have here, in a new folder."""
    found = re.search(r"```dockerfile\n(.*?)```", text, re.DOTALL)
    assert found is not None
    Path("Dockerfile").write_text(found[1])
    return BLOCK.sub(lambda block: f"```console\n{_session(block[1])}```", text)


def _session(block: str) -> str:
    said = io.StringIO()
    for line in block.splitlines():
        if line.startswith("$ lamina "):
            said.write(f"{line}\n")
            with contextlib.redirect_stdout(said):
                main(line.split()[2:])
    return said.getvalue()


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = PAGE.read_text()
    assert played(text) == text


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_of_the_tree_is_on_it(cls: type) -> None:
    text = PAGE.read_text()
    name = "a substitution" if cls is Substitution else f"`{cls.__name__}`"
    lines = [line for line in text.splitlines() if name in line]
    fields = {name.removesuffix("_") for name in cls.__annotations__} - {"span"}
    assert lines
    assert all(any(f"`{field}`" in line for line in lines) for field in fields)


def rewrite() -> None:
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        PAGE.write_text(played(text))


if __name__ == "__main__":
    rewrite()

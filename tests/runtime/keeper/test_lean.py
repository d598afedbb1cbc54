"""What a keeper imports it pays for with its start and its size, for each container."""

from __future__ import annotations

import os
import subprocess
import sys

from lamina.runtime.isolation.interpreter import packages

_COSTLY = {"typing", "re", "enum", "json", "contextlib", "collections", "functools"}
_PROBE = """
import sys
for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    sys.modules[name] = module = type(sys)(name)
    module.__path__ = [path]
from lamina.runtime.keeper import program
from lamina.runtime.network import network, published
print(*sorted(sys.modules))
"""


def test_a_keeper_imports_nothing_costly() -> None:
    """docs/decisions/0002-lean-start.md."""
    bare = (os.path.realpath(sys.executable), "-I", "-S", "-X", "utf8", "-c", _PROBE)
    done = subprocess.run(
        (*bare, *packages()), capture_output=True, text=True, check=True
    )
    found = set(done.stdout.split())
    assert "lamina.runtime.keeper.kept" in found
    assert not _COSTLY & found

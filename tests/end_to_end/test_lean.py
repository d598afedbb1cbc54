"""What a cached build imports it pays for every time (decisions/0002-lean-start.md)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.bases import ENVIRONMENT, Lamina, project

pytestmark = pytest.mark.root

_PROBE = """
import sys
before = set(sys.modules)
from lamina.cli.main import main
main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""
# Each of them takes longer than all that a cached build has to do.
_COSTLY = {
    *("hashlib", "sqlite3", "subprocess", "logging", "typing", "dataclasses"),
    *("pathlib", "threading", "inspect", "socket", "ssl", "shutil", "tempfile"),
    *("lark", "jinja2", "yaml", "rich", "pyroute2", "urllib3", "watchdog"),
    *("isal", "zstandard", "pygls", "asyncio", "http", "email"),
}
# The way of a build that has something to do.
_WALKED = (
    *("lamina.runtime", "lamina.lang.parser", "lamina.builder.planning"),
    *("lamina.builder.executor", "lamina.builder.solving", "lamina.oci.layers"),
    *("lamina.oci.registry", "lamina.cli.progress.frame"),
)


@pytest.mark.parametrize(
    ("recipe", "reads"),
    [
        ("FROM busybox\nRUN echo 1 > /1\n", set()),
        # Files are compared side by side, by their digests.
        ("FROM busybox\nCOPY f /\nRUN cat f\n", {"hashlib", "threading"}),
    ],
)
def test_a_cached_build_imports_no_more_than_it_needs(
    lamina: Lamina, tmp_path: Path, recipe: str, reads: set[str]
) -> None:
    folder = project(tmp_path / "app", recipe, f="f")
    image = lamina.build(folder)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, "build", "-q", str(folder)],
        env={**ENVIRONMENT, "LAMINA_ROOT": str(lamina.store)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == image
    found = set(done.stderr.split())
    assert "lamina.builder.caching.record" in found
    costly = _COSTLY & {name.partition(".")[0] for name in found}
    assert costly == reads
    assert not [name for name in found if name.startswith(_WALKED)]

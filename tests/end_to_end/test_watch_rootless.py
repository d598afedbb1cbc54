"""`lamina watch` as an ordinary user: ports are passed on from inside the container's
network, and nobody is refused either."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import ROOT
from tests.runtime.people import PYTHON, public_package

_AS_USER = """
import os, sys
from pathlib import Path
from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.hammering import Hammer
from tests.end_to_end.serving import RECIPE, Served, page

place = Path(sys.argv[1])
lamina = Lamina(place).with_base()
folder = project(place / "project", RECIPE, www__index_html="0")
os.rename(folder / "www/index_html", folder / "www/index.html")
served = Served(lamina, folder)
with Hammer(served.port, ("127.0.0.1", "::1")) as hammer:
    for number in range(1, 9):
        page(folder, str(number))
        served.seen.outcome("swapped")
        assert served.ask() == str(number)
    (folder / "Recipe").write_text(RECIPE + "CMD exit 1")
    served.failed()
assert not hammer.failures, hammer.failures
assert len(hammer.answers) > 8
served.seen.end()
left = lamina.left_behind()
assert not left, left
"""


def _copy_libraries(place: str) -> None:
    """Those that a build needs: the user's Python has none."""
    for name in ("lark", "watchdog", "isal", "zstandard", "rich"):
        origin = Path(str(importlib.util.find_spec(name).origin)).parent  # type: ignore[union-attr]
        shutil.copytree(origin, f"{place}/{name}")


# Where only root may open it, as in many a container: one that all may.
_TUN = "mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200; exec "


@pytest.mark.root("it becomes a user")
def test_an_ordinary_user_watches_too() -> None:
    user = 61_236
    with public_package() as package:
        subprocess.run(["cp", "-r", ROOT / "tests", f"{package}/tests"], check=True)
        _copy_libraries(package)
        subprocess.run(["chmod", "-R", "a+rX", package], check=True)
        place = Path(package) / "place"
        place.mkdir()
        os.chown(place, user, user)
        script = f"import sys; sys.path.insert(0, {package!r})\n{_AS_USER}"
        become = f'setpriv --reuid {user} --regid {user} --clear-groups "$@"'
        python = (PYTHON, "-I", "-B", "-c", script)
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", _TUN + become, "sh", *python, place],
            env={"PATH": os.environ["PATH"]},
            cwd="/",
            text=True,
            capture_output=True,
            check=False,
            timeout=240,
        )
    assert done.returncode == 0, done.stderr

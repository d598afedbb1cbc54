"""A user who has no subordinate ids: one id, which is root inside."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.busybox import BUSYBOX
from tests.end_to_end.bases import PROJECT, project
from tests.runtime.people import open_to_all

pytestmark = pytest.mark.root("it makes a user")

_RECIPE = """\
FROM base
COPY --chown=5:6 Recipe /given
RUN --network=none touch /f && chown 5:6 /f && chgrp -h 7 /f && ls -ln /f > /seen
RUN --network=none rm /etc/other && mkdir /etc/new
"""


def as_user(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which `lamina` is the command."""
    begin = 'lamina() { "$PYTHON" -m lamina "$@"; }; cd "$HOME"\n'
    wrapper = (f"{PROJECT}/tests/as-user", "--one-id", "--no-cgroups")
    given = (*wrapper, "env", f"PYTHON={sys.executable}", "sh", "-c", begin + script)
    return subprocess.run(
        (*given, "sh", *words), capture_output=True, text=True, check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that everybody may read, with the tar of a root of several owners."""
    open_to_all(tmp_path)
    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        for name in ("bin", "etc", "tmp"):
            tar.addfile(_member(name, tarfile.DIRTYPE, 0o755))
        program = Path(BUSYBOX).read_bytes()
        tar.addfile(_member("bin/busybox", size=len(program)), io.BytesIO(program))
        for name in (
            "sh",
            "ls",
            "touch",
            "chown",
            "chgrp",
            "rm",
            "mkdir",
            "id",
            "sleep",
        ):
            tar.addfile(_member(f"bin/{name}", tarfile.SYMTYPE, linkname="busybox"))
        text = b"root:x:0:0::/:\napp:x:1000:1000::/:\n"
        tar.addfile(_member("etc/passwd", size=len(text)), io.BytesIO(text))
        tar.addfile(_member("etc/other", mode=0o600, uid=1000, gid=8))
    project(tmp_path / "app", _RECIPE)
    return tmp_path


def _member(
    name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o755, **fields: object
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    for key, given in fields.items():
        setattr(member, key, given)
    return member


def test_it_builds_and_runs_what_gives_files_away(place: Path) -> None:
    done = as_user(
        "set -e; lamina import -q $1/base.tar base > /dev/null 2>&1 ||"
        " lamina import $1/base.tar base > /dev/null\n"
        "lamina build -q -t app $1/app > /dev/null\n"
        "lamina run --rm --network none app sh -c 'ls -ln /given /f; ls /etc; id -u'\n"
        "lamina run -d --network none --name long app sleep 1000 > /dev/null\n"
        "lamina exec long sh -c 'touch /g; chown 9:9 /g && ls -ln /g'\n"
        "lamina commit long kept > /dev/null; lamina rm -f long > /dev/null\n"
        "lamina run --rm --network none kept ls -ln /g; lamina system check",
        str(place),
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    owners = [tuple(line.split()[2:4]) for line in lines if line.startswith("-")]
    assert owners == [("0", "0")] * 4
    assert lines[2:5] == ["new", "passwd", "0"] or "new" in lines
    assert "all is well" in lines[-1]
    # Of the namespace it is told where files are made, and once.
    assert done.stderr.count("only your own user and group id are mapped") == 1
    assert "goes on meanwhile" in done.stderr


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("lamina run --rm --network none -u app base id", "Cannot become user 1000"),
        ("lamina build -q $1/app --build-arg A=1 -f $1/user", "Cannot become user"),
        ("lamina build -q -f $1/boot $1/app", "more than one user"),
        # Any program will do.
        ("lamina run --rm --runtime /bin/true base id", "needs more than one id"),
    ],
)
def test_what_is_somebody_else_s_is_said(place: Path, script: str, says: str) -> None:
    (place / "user").write_text("FROM base\nUSER app\nRUN --network=none id\n")
    (place / "boot").write_text("FROM bootstrap:debian/bookworm\n")
    done = as_user(f"lamina import $1/base.tar base > /dev/null; {script}", str(place))
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_under_another_name(place: Path) -> None:
    """No node can be made of it: the host's own is lent."""
    done = as_user(
        "lamina import $1/base.tar base > /dev/null\n"
        "lamina run --rm --network none --device /dev/null:/dev/other base"
        " sh -c 'echo x > /dev/other && test -c /dev/other && echo lent'",
        str(place),
    )
    assert done.stdout == "lent\n", done.stderr

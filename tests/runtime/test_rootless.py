"""The same containers for an ordinary user: launched by real ones of this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.people import new_user, public_package, run_as

pytestmark = pytest.mark.root

# Nobody has this id, nor has anybody set ids aside for it.
WITHOUT_IDS = 61233

PROGRAM = """
import os, tempfile
from pathlib import Path
from lamina.runtime.isolation import userns
userns.enter()
from lamina.runtime.isolation.seccomp import compile_profile, default_profile
from lamina.runtime.isolation.snapshot import Snapshot, mount
from lamina.runtime.spec import DEFAULT_CAPABILITIES, Process, Spec
from lamina.runtime.isolation.zygote import Options, Zygote
from tests.runtime.launches import Bench, make_root

bpf = compile_profile(default_profile(), DEFAULT_CAPABILITIES)

def show(name, text):
    print(name + ":", " ".join(text.split()))

with tempfile.TemporaryDirectory() as name:
    place = Path(name)
    for overlay in ("", "string"):
        with Zygote.start(Options(keep=(name,), overlay=overlay)) as zygote:
            (place / overlay).mkdir(exist_ok=True)
            root = make_root(place / ("root" + overlay))
            bench = Bench(place / overlay, root, zygote)
            show("id", bench.sh("id -u; id -g", bpf=bpf))
            status = bench.sh("grep -E 'CapEff|Seccomp:' /proc/self/status", bpf=bpf)
            show("status", status)
            show("devices", bench.sh("echo x >/dev/null; head -c3 /dev/zero | wc -c"))
            for network in ("none", "host"):
                show("sys " + network, bench.sh(
                    "ls -d /sys/class/net/lo; touch /sys/x 2>&1 || echo refused;"
                    "cat /proc/keys", network=network))
            show("changes", bench.sh("rm /bin/ls; echo y > /etc/passwd; echo done"))
            show("upper", " ".join(sorted(
                str(path.relative_to(bench.upper)) for path in bench.upper.rglob("*"))))
            deleted = os.lstat(bench.upper / "bin/ls")
            show("whiteout", f"{deleted.st_mode >> 12} {deleted.st_rdev}")
            with bench.start("tty", process={"terminal": True}) as sandbox:
                show("terminal", os.read(sandbox.terminal, 100).decode())
                sandbox.wait()
                os.close(sandbox.terminal)
    (place / "end").mkdir()
    with Zygote.start(Options(keep=(name,))) as zygote:
        bench = Bench(place / "end", root, zygote)
        try:
            show("app", bench.sh("id -u", process={"user": "app"}))
        except Exception as error:
            show("app", f"{error}; {error.hint}")
        with bench.start("sleep", "1000") as container:
            inside = Process(("sh", "-c", "exit $(id -u)"))
            with zygote.launch_exec(container.pidfd, inside) as sandbox:
                show("exec", str(sandbox.wait().code))
            container.kill()
            container.wait()
"""


@pytest.fixture(scope="module")
def package() -> Iterator[str]:
    """Lamina and these tests' helpers, where everybody can read them."""
    with public_package() as folder:
        tests = Path(folder, "tests/runtime")
        tests.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("launches.py"), tests)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        yield folder


@pytest.fixture(scope="module")
def user() -> Iterator[int]:
    with new_user() as made:
        yield made


def launched(uid: int, package: str) -> list[str]:
    done = run_as(uid, package, PROGRAM)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


COMMON = [
    "id: 0 0",
    "status: CapEff: 00000000a80425fb Seccomp: 2",
    "devices: 3",
    "sys none: /sys/class/net/lo touch: /sys/x: Read-only file system refused",
    "sys host: /sys/class/net/lo touch: /sys/x: Read-only file system refused",
    "changes: done",
    "upper: bin bin/ls etc etc/passwd",
    "whiteout: 2 0",
    "terminal: /dev/pts/0",
]


def test_a_user_with_subordinate_ids(user: int, package: str) -> None:
    assert launched(user, package) == [*COMMON, *COMMON, "app: 1000", "exec: 0"]


def test_a_user_with_only_their_own_id(package: str) -> None:
    *same, app, exec_ = launched(WITHOUT_IDS, package)
    assert same == [*COMMON, *COMMON]
    assert app.startswith("app: Cannot become user 1000:1000: ")
    assert exec_ == "exec: 0"

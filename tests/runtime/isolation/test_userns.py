"""User namespaces, entered by real ordinary users of this machine."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.errors import NotPermitted
from lamina.runtime.isolation import userns
from tests.runtime.people import PYTHON, new_user, public_package, run_as

pytestmark = pytest.mark.root

# Nobody has this id, nor has anybody set ids aside for it.
WITHOUT_IDS = 61234


@pytest.fixture(scope="module")
def package() -> Iterator[str]:
    with public_package() as folder:
        yield folder


@pytest.fixture(scope="module")
def user() -> Iterator[int]:
    with new_user() as made:
        yield made


ENTER = """
import os
from lamina.errors import LaminaError
from lamina.runtime.isolation.userns import enter
before = {n: os.readlink(f"/proc/self/ns/{n}") for n in ("user", "mnt", "pid")}
try:
    said = enter()
except LaminaError as error:
    sys.exit(f"{type(error).__name__}: {error}; {error.hint}")
after = {n: os.readlink(f"/proc/self/ns/{n}") for n in before}
print("said:", said)
print("changed:", *(n for n in before if before[n] != after[n]))
print("ids:", *os.getresuid(), *os.getresgid(), *os.getgroups())
print("map:", *(w for line in open("/proc/self/uid_map") for w in line.split()))
"""


def lines(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(line.split(":", 1) for line in done.stdout.splitlines())


class TestAUserWithSubordinateIds:
    def test_becomes_root_of_new_namespaces(self, user: int, package: str) -> None:
        out = lines(run_as(user, package, ENTER))
        assert out["said"].strip() == ""
        assert out["changed"].split() == ["user", "mnt"]
        assert out["ids"].split() == ["0"] * 6
        (first, count) = userns.subordinate("/etc/subuid", user)[0]
        assert out["map"].split() == list(map(str, (0, user, 1, 1, first, count)))

    def test_may_do_what_a_build_does(self, user: int, package: str) -> None:
        """Mount, give files away, take another id and none of the groups."""
        program = ENTER + _BUILD
        out = lines(run_as(user, package, program))
        assert out["owner"].split() == ["12", "34"]
        assert out["became"].split() == ["1000"]

    def test_is_told_when_the_tools_fail(self, user: int, package: str) -> None:
        """Ids that the table here grants, but the system's does not."""
        program = ENTER.replace("enter()", "enter(sys.argv[1], sys.argv[1])")
        table = Path(package) / "subuid"
        table.write_text(f"{user}:7:65536\n")
        done = run_as(user, package, program, os.fspath(table))
        assert "cannot be mapped: new" in done.stderr
        assert "/etc/subuid" in done.stderr


_BUILD = """
import ctypes, subprocess
libc = ctypes.CDLL(None, use_errno=True)
folder = "/tmp"
assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0, ctypes.get_errno()
open("/tmp/file", "w").close()
os.chown("/tmp/file", 12, 34)
print("owner:", os.stat("/tmp/file").st_uid, os.stat("/tmp/file").st_gid)
os.setgroups([5]); os.setgid(1000); os.setuid(1000)
print("became:", os.getuid())
"""


class TestAUserWithoutSubordinateIds:
    def test_has_one_id_and_is_told_so(self, package: str) -> None:
        out = lines(run_as(WITHOUT_IDS, package, ENTER))
        assert out["changed"].split() == ["user", "mnt"]
        assert out["ids"].split()[:6] == ["0"] * 6
        assert out["map"].split() == ["0", str(WITHOUT_IDS), "1"]
        assert "usermod --add-subuids" in out["said"]

    def test_a_table_that_cannot_be_read_is_empty(self) -> None:
        assert userns.subordinate("/nowhere", 0) == ()

    def test_only_whole_lines_of_this_user_count(self, tmp_path: Path) -> None:
        table = tmp_path / "subuid"
        table.write_text("root:1:2\n0:100:50\nother:5:5\nroot:x:1\nroot:9:0\nroot:7\n")
        assert userns.subordinate(os.fspath(table), 0) == ((1, 2), (100, 50))


def test_root_stays_what_it_is() -> None:
    before = os.readlink("/proc/self/ns/user")
    assert userns.enter() == ""
    assert os.readlink("/proc/self/ns/user") == before
    userns.require_namespaces()


REFUSED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    assert libc.unshare(0x10000000) == 0
    os.write(ready[1], b".")
    os.read(go[0], 1)
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write(sys.argv[2])
    uid = int(sys.argv[1])
    os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
    os.execv(sys.argv[3], sys.argv[3:])
os.read(ready[0], 1)
for file in ("uid_map", "gid_map"):
    with open(f"/proc/{child}/{file}", "w") as target:
        target.write("0 0 65536")
os.write(go[1], b".")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("limit", [0, 1])
def test_a_machine_without_namespaces_for_users_says_what_to_do(
    package: str, limit: int
) -> None:
    """A user namespace around it has the setting, so that the machine keeps its own."""
    beside = f"import sys; sys.path.insert(0, {package!r})\n"
    twice = ENTER.replace("said = enter()", _TWICE)
    inner = [PYTHON, "-I", "-B", "-c", beside + (twice if limit else ENTER)]
    program = [sys.executable, "-I", "-S", "-c", REFUSED, str(WITHOUT_IDS), str(limit)]
    done = subprocess.run(
        [*program, *inner], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 1
    assert "NotPermitted" in done.stderr, done.stderr
    assert "sysctl -w user.max_user_namespaces=15000" in done.stderr
    assert "Traceback" not in done.stderr


# The first one, in a child that stays as long as its parent, uses up what there may be.
_TWICE = """
    (ready, full), (ended, stay) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(stay)
        enter()
        os.write(full, b".")
        os.close(1), os.close(2)
        os.read(ended, 1)
        os._exit(0)
    os.read(ready, 1)
    said = enter()
"""


class TestExplaining:
    """What is said for each of the kernel's settings, in a /proc/sys of the test's."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("kernel/unprivileged_userns_clone", "0"),
            ("user/max_user_namespaces", "0"),
            ("kernel/apparmor_restrict_unprivileged_userns", "1"),
        ],
    )
    def test_a_setting_that_forbids(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"{text}\n")
        error = self.explain(errno.EPERM, tmp_path)
        assert name.replace("/", ".") in error.message
        assert f"sysctl -w {name.replace('/', '.')}=" in error.hint
        assert error.exit_code == 125

    def test_no_reason_to_be_seen(self, tmp_path: Path) -> None:
        error = self.explain(errno.EPERM, tmp_path)
        assert "The kernel refuses" in error.message or "container" in error.message
        assert "limit" in self.explain(errno.ENOSPC, tmp_path).message

    def explain(self, number: int, settings: Path) -> NotPermitted:
        return userns.explain(OSError(number, ""), os.fspath(settings))


def test_a_root_without_privileges_is_told_so(package: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, {package!r})\n"
        "from lamina.runtime.errors import NotPermitted\n"
        "from lamina.runtime.isolation.userns import require_namespaces\n"
        "try: require_namespaces()\n"
        "except NotPermitted as error: print(error.message, '|', error.hint)\n"
    )
    command = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = subprocess.run(
        [*command, PYTHON, "-I", "-B", "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "lacks the capability SYS_ADMIN" in done.stdout

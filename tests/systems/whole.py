"""A whole machine: a kernel with cgroups of version 2 and their controllers, which runs
as a process (user-mode Linux), and systemd as its PID 1.

Commands are given beforehand, root's and a user's in a login session, as logind makes
one; what they say is there when the machine has gone down. It sees this machine's
files, read-only but for one folder. Its store is on a disk of its own: hostfs has no
extended attributes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import lamina
from tests.systems import units

KERNEL = shutil.which("linux.uml")
UID = 4242
# The checkout, wherever it lies; the interpreter is its own.
LAMINA = "/run/checkout/.venv/bin/python -m lamina"
RUNTIME = "/run/checkout/.venv/bin/lamina-runtime"
_CHECKOUT = Path(lamina.__file__).resolve().parent.parent
_PATIENCE = 600.0
# What a kernel of user-mode Linux says that panics where the processor has more state
# than it has room for (AMX: 8 KiB of tiles).
_STRANGE = "ptrace set fp regs failed"

_BOOT = """#!/bin/sh
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 none /sys/fs/cgroup
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /var/lib/systemd
mount -t hostfs none "$place" -o "$place"
mkdir -p /run/disk /run/checkout /run/etc "/run/user/$uid"
mount /dev/ubda /run/disk
mount --bind "$checkout" /run/checkout
busybox insmod "$(find /usr/lib/uml/modules -name overlay.ko)"
for file in passwd group subuid subgid; do cp "/etc/$file" /run/etc; done
echo "inhabitant:x:$uid:$uid::/run/disk/home:/bin/sh" >>/run/etc/passwd
echo "inhabitant:x:$uid:" >>/run/etc/group
for file in subuid subgid; do echo "inhabitant:400000:65536" >>/run/etc/$file; done
for file in passwd group subuid subgid; do
  mount --bind "/run/etc/$file" "/etc/$file"
done
mkdir /run/disk/home /run/disk/tmp
chmod 1777 /run/disk/tmp
chmod 700 "/run/user/$uid"
chown "$uid:$uid" /run/disk/home "/run/user/$uid"
"""
_SERVICE = """
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
WorkingDirectory=/run/disk
Environment=HOME=/run/disk/root PYTHONPATH=/run/checkout LAMINA_ROOT=/run/disk/store
Environment=TMPDIR=/run/disk/tmp
ExecStart=/usr/bin/python3 -I {place}/commands.py
ExecStopPost=/bin/sh -c 'echo o >/proc/sysrq-trigger'
"""
# A session of logind's is a scope of root's: the user may make no cgroup there.
_COMMANDS = """
import json
import subprocess
place, uid, system, user = json.loads({given!r})
answers = {{}}
def ask(name, words):
    quiet = {{"stdin": subprocess.DEVNULL, "capture_output": True}}
    done = subprocess.run(words, text=True, **quiet)
    answers[name] = (done.returncode, done.stdout, done.stderr)
    with open(f"{{place}}/answers.json", "w") as file:
        json.dump(answers, file)
for name, command in system.items():
    ask(name, ["sh", "-c", command])
if user:
    ask("login", ["systemctl", "start", f"user@{{uid}}.service"])
    session = ["systemd-run", "--scope", "--quiet", f"--slice=user-{{uid}}.slice"]
    become = ["setpriv", f"--reuid={{uid}}", f"--regid={{uid}}", "--init-groups"]
    own = ["env", "-i", "-C", "/run/disk/home", "HOME=/run/disk/home",
           "PATH=/usr/bin:/bin", f"XDG_RUNTIME_DIR=/run/user/{{uid}}",
           "PYTHONPATH=/run/checkout", "TMPDIR=/run/disk/tmp", "USER=inhabitant"]
    for number, (name, command) in enumerate(user.items()):
        unit = f"--unit=session-{{number}}.scope"
        ask(name, [*session, unit, *become, *own, "sh", "-c", command])
"""


class Answer:
    """What a command has said, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}{self.err}"


def visit(
    place: Path, system: Mapping[str, str], user: Mapping[str, str]
) -> dict[str, Answer]:
    """Boot a machine and give commands of the shell, by their names, first those of
    root; `place` is an empty folder."""
    assert KERNEL is not None
    disk = place / "disk"
    disk.touch()
    os.truncate(disk, 400 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    given = json.dumps((str(place), UID, dict(system), dict(user)))
    (place / "commands.py").write_text(_COMMANDS.format(given=given))
    (place / "init").write_text(_init(place))
    (place / "init").chmod(0o755)
    _boot(place, ("mem=512M", f"ubda={disk}", f"init={place}/init"))
    answers = place / "answers.json"
    console = (place / "console").read_text(errors="replace")
    if _STRANGE in console:
        pytest.skip("this processor has registers that its kernel knows nothing of")
    assert answers.exists(), console
    found = {k: Answer(*row) for k, row in json.loads(answers.read_text()).items()}
    missing = {*system, *user} - {*found}
    assert not missing, f"{missing} were not asked\n{found}\n{console}"
    return found


def _init(place: Path) -> str:
    service = _SERVICE.format(place=place)
    needs = "[Unit]\nRequires=commands.service dbus.socket\n"
    return (
        _BOOT.replace(
            "set -eu\n", f"set -eu\nplace='{place}' uid={UID} checkout='{_CHECKOUT}'\n"
        )
        + units.writing()
        + f"cat >/run/units/commands.service <<'END'{service}END\n"
        + f"cat >/run/units/machine.target <<'END'\n{needs}END\n"
        + units.START
    )


def _boot(place: Path, options: Sequence[str]) -> None:
    files = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro")
    with open(place / "console", "wb") as console:
        process = subprocess.Popen(
            [str(KERNEL), *files, *options, "con=null", "con0=null,fd:1", "quiet"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd=place,
            env={"PATH": os.environ["PATH"], "HOME": str(place), "TMPDIR": "/dev/shm"},
            start_new_session=True,
        )
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

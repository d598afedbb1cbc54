"""`lamina-runtime` as engines call it, and bundles for it.

`Runtime` is the program with a root directory of its own; `BundleBench` lets tests that
were written for the zygote's launches run on it.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamina.runtime import syscalls
from lamina.runtime.bundles.bundle import to_config
from lamina.runtime.errors import CommandNotFound, ContainerError
from lamina.runtime.isolation import snapshot as snapshots
from lamina.runtime.isolation.sandbox import ExitStatus
from lamina.runtime.isolation.seccomp import default_profile, resolve
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.isolation.users import resolve_user
from lamina.runtime.spec import DEFAULT_MOUNTS, Process, Spec
from lamina.values import replace

PROGRAM = str(Path(sys.executable).with_name("lamina-runtime"))
PATH = "PATH=/bin"
CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SYS_CHROOT"]

_numbers = itertools.count()


def base_config(*args: str) -> dict[str, Any]:
    """A small config.json; tests change it."""
    sets = ("bounding", "effective", "permitted")
    return {
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(args) or ["true"],
            "env": [PATH],
            "cwd": "/",
            "capabilities": {name: list(CAPABILITIES) for name in sets},
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {
                "destination": mount.destination,
                "type": mount.type,
                "source": mount.source,
                "options": list(mount.options),
            }
            for mount in DEFAULT_MOUNTS
        ],
        "linux": {
            "namespaces": [
                {"type": kind}
                for kind in ("pid", "ipc", "uts", "mount", "network", "cgroup")
            ],
        },
    }


class Failed(Exception):
    """The program failed: with `code`, having said `text`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Runtime:
    """The program, its state in `place`; `own` names containers apart from others'."""

    def __init__(self, place: Path, program: str = PROGRAM) -> None:
        self.place = place
        self.root = place / "state"
        self.program = program
        self.log = place / "log.json"
        self.ids: list[str] = []
        self.extra: tuple[str, ...] = ()

    def new_id(self) -> str:
        """An ID that no other test has, on a machine that tests share."""
        identity = f"test-{os.getpid()}-{next(_numbers)}"
        self.ids.append(identity)
        return identity

    def command(self, *words: str) -> list[str]:
        log = ("--log", str(self.log), "--log-format", "json")
        root = ("--root", str(self.root))
        return [self.program, *root, *log, *self.extra, *words]

    def __call__(self, *words: str, **options: Any) -> str:
        """Its stdout; raises Failed. What goes on afterwards keeps no pipe of ours."""
        with open(self.place / f"out{next(_numbers)}", "w+b") as out:
            given = {"stdin": subprocess.DEVNULL, **options}
            done = subprocess.run(
                self.command(*words), check=False, stdout=out, stderr=out, **given
            )
            out.seek(0)
            text = out.read().decode(errors="replace")
        if done.returncode:
            raise Failed(done.returncode, text)
        return text

    def last_log(self) -> dict[str, str]:
        """The last line of the log: what engines show."""
        found: dict[str, str] = json.loads(self.log.read_text().splitlines()[-1])
        return found

    def bundle(self, config: dict[str, Any] | bytes, root: Path) -> Path:
        """A bundle with that config, whose root file system is `root` unless it says
        another one."""
        place = self.place / f"bundle{next(_numbers)}"
        place.mkdir()
        if isinstance(config, dict):
            config = copy.deepcopy(config)
            if config.get("root", {}).get("path") == "rootfs":
                config["root"]["path"] = str(root)
            config = json.dumps(config).encode()
        (place / "config.json").write_bytes(config)
        return place

    def state(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("state", identity))
        return found

    def end(self) -> None:
        """Remove what the test has left."""
        for identity in self.ids:
            with contextlib.suppress(Failed):
                self("delete", "--force", identity)


class BundleContainer:
    """What Sandbox is for the zygote: a container that was started."""

    def __init__(self, runtime: Runtime, identity: str, process: Any) -> None:
        self.id = identity
        self._runtime = runtime
        self._process = process

    @property
    def pid(self) -> int:
        return int(self._runtime.state(self.id)["pid"])

    def kill(self) -> None:
        self._runtime("kill", self.id, "KILL")

    def wait(self) -> ExitStatus:
        return ExitStatus(self._process.wait())

    def __enter__(self) -> BundleContainer:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Failed):
            self._runtime("delete", "--force", self.id)
        self._process.wait()


class BundleBench:
    """The interface of launches.Bench, for `lamina-runtime`."""

    def __init__(self, place: Path, root: Path) -> None:
        self.place = place
        self.root = root
        self.runs = 0
        self.upper = Path()
        self.runtime = Runtime(place)
        self._mounted: list[str] = []

    def close(self) -> None:
        self.runtime.end()
        for path in self._mounted:
            syscalls.umount2(path, syscalls.MNT_DETACH)

    def snapshot(self) -> Snapshot:
        self.runs += 1
        self.upper = self.place / f"upper{self.runs}"
        work = self.place / f"work{self.runs}"
        self.upper.mkdir()
        work.mkdir()
        return Snapshot((str(self.root),), str(self.upper), str(work))

    def start(self, *args: str, **options: Any) -> BundleContainer:
        """Start it; returns once its command runs."""
        reader, writer = os.pipe()
        try:
            container = self._launch(args, writer, options)
        finally:
            os.close(writer)
            os.close(reader)
        while True:
            with contextlib.suppress(Failed):
                if self.runtime.state(container.id)["status"] == "running":
                    return container

    def enter(self, container: BundleContainer, process: Process) -> None:
        path = self.place / f"process{next(_numbers)}.json"
        config = json.loads(to_config(Spec(process), "/", (0, 0, ())))
        path.write_text(json.dumps(config["process"]))
        try:
            self.runtime("exec", "--process", str(path), container.id)
        except Failed as error:
            raise ContainerError(error.text) from error

    def run(self, *args: str, **options: Any) -> tuple[ExitStatus, str]:
        reader, writer = os.pipe()
        try:
            self.runtime.log.unlink(missing_ok=True)
            container = self._launch(args, writer, options)
        finally:
            os.close(writer)
        with open(reader, "rb") as pipe:
            text = pipe.read().decode(errors="replace")
        status = container.wait()
        if self.runtime.log.exists():
            self._raise(self.runtime.last_log())
        return status, text

    def sh(self, script: str, **options: Any) -> str:
        status, text = self.run("sh", "-ec", script, **options)
        assert status == ExitStatus(0), (status, text)
        return text

    def _raise(self, line: dict[str, str]) -> None:
        if line["level"] != "error":
            return
        if "not found in $PATH" in line["msg"]:
            raise CommandNotFound(line["msg"])
        raise ContainerError(line["msg"])

    def _launch(
        self, args: tuple[str, ...], output: int, options: dict[str, Any]
    ) -> BundleContainer:
        spec = options.pop("spec", None) or Spec(Process(()))
        given = options.pop("snapshot", None) or self.snapshot()
        changed = replace(spec.process, args=args, **options.pop("process", {}) or {})
        bpf = options.pop("bpf", b"")
        assert not options, options
        root = self._mount(given)
        config = self._config(replace(spec, process=changed), root, bool(bpf))
        bundle = self.runtime.bundle(config, root)
        identity = self.runtime.new_id()
        process = subprocess.Popen(
            self.runtime.command("run", "--bundle", str(bundle), identity),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        return BundleContainer(self.runtime, identity, process)

    def _mount(self, given: Snapshot) -> Path:
        place = self.place / f"mounted{next(_numbers)}"
        place.mkdir()
        tree = snapshots.mount(given)
        target = os.open(place, os.O_PATH)
        syscalls.move_mount(tree, target)
        self._mounted.append(str(place))
        os.close(tree)
        os.close(target)
        return place

    def _config(self, spec: Spec, root: Path, filtered: bool) -> dict[str, Any]:
        """The config.json; the user is resolved as an engine does it."""
        user = spec.process.user
        first, _, second = user.partition(":")
        ids: tuple[int, int, tuple[int, ...]]
        if user.lstrip("-").replace(":", "").isdigit():
            ids = (int(first), int(second or 0), ())
        else:
            with opened(root) as fd:
                found = resolve_user(fd, user)
            ids = (found.uid, found.gid, found.groups)
        config: dict[str, Any] = json.loads(to_config(spec, str(root), ids))
        config["process"].setdefault("env", []).insert(0, PATH)
        if filtered:
            profile = resolve(default_profile(), spec.process.capabilities)
            config["linux"]["seccomp"] = profile
        return config


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)

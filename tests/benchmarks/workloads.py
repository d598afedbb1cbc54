"""What is measured: the same recipe, context or archive for every engine."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from tests.benchmarks.engines import BUSYBOX, DEBIAN, Engine, shell


class Workload:
    """`make` once, `before` each run (not timed), then `command` (timed)."""

    title = ""
    goal = ""
    # Whether the disk is at rest before each run.
    syncs = False
    # Those that do it.
    engines: tuple[str, ...] = ("lamina", "docker", "buildah")
    # What else was found, to stand beside the title.
    note = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Write what all engines share."""

    def before(self, engine: Engine, turn: int) -> None:
        """Bring `engine` into the state that the run starts from."""

    def command(self, engine: Engine, turn: int) -> str:
        raise NotImplementedError

    def after(self, engine: Engine) -> None:
        """Leave nothing of `engine`'s running."""

    def recipe(self, text: str) -> None:
        (self.folder / "Dockerfile").write_text(text)

    def build(self, engine: Engine, *, fresh: bool) -> str:
        tag = f"localhost/bench/{type(self).__name__.lower()}"
        flag = engine.fresh if fresh else ""
        return engine.build.format(context=self.folder, tag=tag, fresh=flag)


class RunCold(Workload):
    title = "50 trivial RUN steps, cold"
    goal = "1/20"
    steps = 50

    def make(self) -> None:
        lines = "".join(f"RUN echo {n} > /f{n}\n" for n in range(self.steps))
        self.recipe(f"FROM {BUSYBOX}\n{lines}")

    def command(self, engine: Engine, turn: int) -> str:
        return self.build(engine, fresh=True)


class RunCold20(RunCold):
    title = "20 trivial RUN steps, cold"
    goal = ""
    steps = 20


class RunCold120(RunCold):
    title = "120 trivial RUN steps, cold"
    goal = "1/20"
    steps = 120


class RunCold300(RunCold):
    """Docker takes 127 layers."""

    title = "300 trivial RUN steps, cold"
    goal = ""
    steps = 300
    engines = ("lamina",)


class RunCached(RunCold):
    title = "50 RUN steps, all cached"
    goal = "1/2"

    def before(self, engine: Engine, turn: int) -> None:
        if turn == 0:
            shell(self.build(engine, fresh=False))

    def command(self, engine: Engine, turn: int) -> str:
        return self.build(engine, fresh=False)


class RunShared(RunCold):
    """Docker 20.10 and Buildah 1.28 take no cache from a folder."""

    title = "50 RUN steps, on a new machine from a cache in a folder"
    goal = ""
    engines = ("lamina",)

    def before(self, engine: Engine, turn: int) -> None:
        cache = f"--cache-to type=local,dest={self.folder}/cache,mode=max"
        if turn == 0:
            shell(
                self.build(engine, fresh=False).replace(" build ", f" build {cache} ")
            )
        self.store = self.folder / f"store-{turn}"
        base = self.folder.parent / "busybox.tar"
        shell(_elsewhere(engine.load.format(file=base), self.store))

    def command(self, engine: Engine, turn: int) -> str:
        cache = f"--cache-from type=local,src={self.folder}/cache"
        command = self.build(engine, fresh=False).replace(" build ", f" build {cache} ")
        return _elsewhere(command, self.store)


def _elsewhere(command: str, store: Path) -> str:
    """The command on another store."""
    program, _, rest = command.partition(" --root ")
    return f"{program} --root {store} {rest.partition(' ')[2]}"


class Context(Workload):
    title = "context of 20,000 files, unchanged"
    goal = "1/2"
    files = 20_000

    def make(self) -> None:
        write_files(self.folder / "src", self.files)
        self.recipe(f"FROM {BUSYBOX}\nCOPY src /src\n")

    def before(self, engine: Engine, turn: int) -> None:
        if turn == 0:
            shell(self.build(engine, fresh=False))

    def command(self, engine: Engine, turn: int) -> str:
        return self.build(engine, fresh=False)


class ContextCold(Context):
    title = "context of 20,000 files, copied"
    goal = "1"
    syncs = True

    def before(self, engine: Engine, turn: int) -> None:
        """Nobody makes the same layer twice, to throw one of them away."""
        (self.folder / "src/unique").write_text(f"{engine.name} {turn} {time.time()}")

    def command(self, engine: Engine, turn: int) -> str:
        return self.build(engine, fresh=True)


class ContextChange(Context):
    title = "context of 20,000 files, one changed"
    goal = "1/3"
    syncs = True

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        changed = self.folder / "src/d3/f333.txt"
        changed.write_text(f"{engine.name} {turn} {time.time()}")


class Stages(Workload):
    title = "eight independent stages of one second"
    goal = "1.3 s"

    def make(self) -> None:
        numbers = range(8)
        stages = "".join(
            f"FROM {BUSYBOX} AS s{n}\nRUN sleep 1; echo {n} > /o{n}\n" for n in numbers
        )
        copies = "".join(f"COPY --from=s{n} /o{n} /o{n}\n" for n in numbers)
        self.recipe(f"{stages}FROM {BUSYBOX}\n{copies}")

    def command(self, engine: Engine, turn: int) -> str:
        command = self.build(engine, fresh=True)
        if engine.name == "buildah":
            return command.replace(" bud -q", " bud -q --jobs 8")
        return command


class Unpack(Workload):
    """What a compiler's or a package manager's step does most: many small files."""

    title = "4,000 files unpacked in a step"
    goal = "0.8"
    syncs = True

    def make(self) -> None:
        write_files(self.folder / "tree", 4_000)
        shell(f"tar c -C {self.folder / 'tree'} -f {self.folder / 'files.tar'} .")
        shutil.rmtree(self.folder / "tree")
        unpack = "mkdir /out && tar x -C /out -f /files.tar"
        self.recipe(f"FROM {BUSYBOX}\nCOPY files.tar /\nRUN {unpack}\n")

    def before(self, engine: Engine, turn: int) -> None:
        """One more file: nobody makes the same layer twice."""
        name = f"{engine.name}-{turn}"
        (self.folder / name).write_text(str(time.time()))
        shell(f"tar r -C {self.folder} -f {self.folder / 'files.tar'} {name}")

    def command(self, engine: Engine, turn: int) -> str:
        return self.build(engine, fresh=True)


class Plan(Workload):
    title = "a graph of 1,000 steps over 200 stages, planned"
    goal = "0.2 s"
    engines = ("lamina",)

    def make(self) -> None:
        base = BUSYBOX
        lines = []
        for stage in range(200):
            base = base if stage % 5 == 0 else f"s{stage - 1}"
            lines.append(f"FROM {base} AS s{stage}\n")
            lines += [f"RUN echo {stage}.{n} > /f{stage}.{n}\n" for n in range(5)]
            base = BUSYBOX
        copies = [f"COPY --from=s{n} /f{n}.0 /out/\n" for n in range(200)]
        self.recipe("".join([*lines, f"FROM {BUSYBOX}\n", *copies]))

    def command(self, engine: Engine, turn: int) -> str:
        return f"{engine.graph} {self.folder}"


class Apt(Workload):
    title = "apt-get update and install git"
    goal = "0.8"

    def make(self) -> None:
        packages = "apt-get install -y --no-install-recommends git"
        self.recipe(f"FROM {DEBIAN}\nRUN apt-get update && {packages}\n")

    def command(self, engine: Engine, turn: int) -> str:
        return self.build(engine, fresh=True)


class Save(Workload):
    title = "save a Debian image"

    def command(self, engine: Engine, turn: int) -> str:
        return engine.save.format(image=DEBIAN, file=self.folder / f"{engine.name}.tar")


WORKLOADS: dict[str, type[Workload]] = {
    "run50": RunCold,
    "run20": RunCold20,
    "run120": RunCold120,
    "run300": RunCold300,
    "cached50": RunCached,
    "shared50": RunShared,
    "context": Context,
    "context-cold": ContextCold,
    "context-change": ContextChange,
    "stages": Stages,
    "unpack": Unpack,
    "plan": Plan,
    "apt": Apt,
    "save": Save,
}


def debian_tree(place: Path) -> None:
    """The files of the Debian image in a new folder, which is in a workload's."""
    place.mkdir()
    shell(f"tar x -C {place} -f {place.parents[1]}/debian/layer.tar")


def write_files(folder: Path, count: int) -> None:
    """`count` text files of 2 kB, a hundred in a folder."""
    for number in range(count):
        path = folder / f"d{number // 100}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} " * (2000 // (len(str(number)) + 1)))


def make_bases(engines: tuple[Engine, ...], folder: Path, debian: Path) -> None:
    """The two base images, the same in every engine: made as docker-archives by hand,
    so that no engine has a part in them."""
    tree = folder / "busybox"
    (tree / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for applet in shell("/bin/busybox --list").split():
        if applet != "busybox":
            os.symlink("busybox", tree / "bin" / applet)
    layer = folder / "busybox-layer.tar"
    shell(f"tar c --sort=name --owner=0 --group=0 -C {tree} -f {layer} bin")
    archives = (
        _archive(folder / "busybox.tar", BUSYBOX, layer, "/bin/sh", "/bin"),
        _archive(folder / "debian.tar", DEBIAN, debian, "bash", _DEBIAN_PATH),
    )
    for engine in engines:
        for archive in archives:
            shell(engine.load.format(file=archive))


_DEBIAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _archive(target: Path, name: str, layer: Path, command: str, path: str) -> Path:
    """A docker-archive with one layer."""
    digest = shell(f"sha256sum {layer}").split()[0]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": [command], "Env": [f"PATH={path}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "bench"}],
    }
    place = target.with_suffix("")
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text(json.dumps(config))
    shutil.copy(layer, place / "layer.tar")
    manifest = [
        {
            "Config": "config.json",
            "RepoTags": [f"{name}:latest"],
            "Layers": ["layer.tar"],
        }
    ]
    (place / "manifest.json").write_text(json.dumps(manifest))
    shell(f"tar c -C {place} -f {target} manifest.json config.json layer.tar")
    return target

"""Pull, push and copy of an image of about 500 MB, by way of a registry on loopback."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import time
from pathlib import Path

from tests.benchmarks.engines import Engine, shell
from tests.benchmarks.workloads import Workload, debian_tree
from tests.registries import registry


class Transfer(Workload):
    """Each has an image of its own in every round, so that nobody has its layers:
    Debian's root (180 MB, 9,500 files) three times, in layers of so many each."""

    engines: tuple[str, ...] = ("lamina", "docker", "buildah", "skopeo")
    layers: tuple[int, ...] = (1, 1, 1)
    syncs = True

    def make(self) -> None:
        serving = registry(self.folder / "registry")
        self.address = serving.__enter__()
        atexit.register(serving.__exit__, None, None, None)
        debian_tree(self.folder / "tree")
        self.archive = self.folder / "image.tar"
        self.name = f"{self.address}/bench/{type(self).__name__.lower()}"
        self.image, self.turn = "", 0

    def before(self, engine: Engine, turn: int) -> None:
        self.image, self.turn = f"{self.name}:{turn}-{engine.name}", turn
        _write_archive(self.archive, self.folder / "tree", self.image, self.layers)
        self.begin()

    def after(self, engine: Engine) -> None:
        """Lamina's store goes with the folder; that of others is emptied in the end."""
        if engine.name != "lamina":
            atexit.register(self._remove, engine)

    def _remove(self, engine: Engine) -> None:
        for turn in range(self.turn + 1):
            with contextlib.suppress(RuntimeError):
                image = f"{self.name}:{turn}-{engine.name}"
                shell(engine.remove.format(image=image))

    def begin(self) -> None:
        """The round's image is made: bring it where all find it."""

    def empty(self) -> None:
        """Let the registry forget all that it has."""
        shutil.rmtree(self.folder / "registry" / "data", ignore_errors=True)


class Pull(Transfer):
    title = "pull an image of 540 MB in three layers"
    goal = "0.7 of docker, 1 of skopeo"

    def begin(self) -> None:
        self.empty()
        source, target = f"docker-archive:{self.archive}", f"docker://{self.image}"
        shell(f"skopeo copy -q --dest-tls-verify=false {source} {target}")

    def command(self, engine: Engine, turn: int) -> str:
        return engine.pull.format(image=self.image)


class PullOne(Pull):
    title = "pull an image of 540 MB in one layer"
    layers = (3,)


class Push(Transfer):
    title = "push an image of 540 MB in three layers"
    goal = "0.7 of docker, 1 of skopeo"

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        self.empty()
        shell(engine.load.format(file=self.archive, image=self.image))

    def command(self, engine: Engine, turn: int) -> str:
        return engine.push.format(image=self.image)


class CopyIn(Pull):
    title = "copy 540 MB from a registry into a layout"
    goal = "1 of skopeo"
    engines = ("lamina", "skopeo")

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        shutil.rmtree(self.folder / "layout", ignore_errors=True)

    def command(self, engine: Engine, turn: int) -> str:
        target = f"oci:{self.folder}/layout:bench"
        return engine.copy.format(source=f"docker://{self.image}", target=target)


class CopyOut(Transfer):
    title = "copy 540 MB from a layout to a registry"
    goal = "1 of skopeo"
    engines = ("lamina", "skopeo")

    def begin(self) -> None:
        shutil.rmtree(self.folder / "layout", ignore_errors=True)
        layout = f"oci:{self.folder}/layout:bench"
        shell(f"skopeo copy -q docker-archive:{self.archive} {layout}")

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        self.empty()

    def command(self, engine: Engine, turn: int) -> str:
        source = f"oci:{self.folder}/layout:bench"
        return engine.copy.format(source=source, target=f"docker://{self.image}")


class Load(Workload):
    """An archive with a layer that no engine has."""

    title = "load a Debian image that is not there"
    goal = "1/2"
    syncs = True

    def make(self) -> None:
        debian_tree(self.folder / "tree")

    def before(self, engine: Engine, turn: int) -> None:
        image = f"localhost/bench/load:{engine.name}-{turn}"
        _write_archive(self._archive, self.folder / "tree", image, (1,))

    def command(self, engine: Engine, turn: int) -> str:
        return engine.load.format(file=self._archive)

    @property
    def _archive(self) -> Path:
        return self.folder / "in.tar"


def _write_archive(
    target: Path, tree: Path, name: str, layers_of: tuple[int, ...]
) -> None:
    """A docker-archive of layers that nobody has seen, each of so many trees."""
    place = target.with_suffix("")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    layers, diff_ids = [], []
    for number, trees in enumerate(layers_of):
        layer = f"{number}.tar"
        for again in range(trees):
            (tree / "unique").write_text(f"{name} {number} {again} {time.time()}")
            # Links are to the names that they have in the tree.
            change = f"--transform 's,^[.]/,l{number}-{again}/,rSh'"
            # What is in the tree, and not the tree: no layer may name a path twice.
            names = " ".join(f"./{top}" for top in sorted(os.listdir(tree)))
            shell(f"tar r {change} -C {tree} -f {place}/{layer} {names}")
        digest = shell(f"sha256sum {place}/{layer}").split()[0]
        layers.append(layer)
        diff_ids.append(f"sha256:{digest}")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "bench"}] * len(layers),
    }
    (place / "config.json").write_text(json.dumps(config))
    entry = {"Config": "config.json", "RepoTags": [name], "Layers": layers}
    (place / "manifest.json").write_text(json.dumps([entry]))
    parts = " ".join(sorted(os.listdir(place)))
    shell(f"tar c -C {place} -f {target} {parts}")

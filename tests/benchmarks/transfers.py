"""Pull, push and copy of an image of about 500 MB, by way of a registry on loopback."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import time
from pathlib import Path

from tests.benchmarks.engines import Engine, shell
from tests.benchmarks.workloads import Workload, debian_tree
from tests.registries import registry

_LAYERS = 3


class Transfer(Workload):
    """Every run has an image of its own, so that nobody has any of its layers."""

    needs_docker = True

    def make(self) -> None:
        serving = registry(self.folder / "registry")
        self.address = serving.__enter__()
        atexit.register(serving.__exit__, None, None, None)
        debian_tree(self.folder / "tree")

    def before(self, engine: Engine, turn: int) -> None:
        self.image = f"{self.address}/bench/{engine.name}:{turn}"
        self.archive = self.folder / "image.tar"
        _write_archive(self.archive, self.folder / "tree", self.image)

    def publish(self) -> None:
        """Put the image into the registry, by somebody who takes no part."""
        shutil.rmtree(self.folder / "registry" / "data", ignore_errors=True)
        source, target = f"docker-archive:{self.archive}", f"docker://{self.image}"
        shell(f"skopeo copy -q --dest-tls-verify=false {source} {target}")


class Pull(Transfer):
    title = "pull an image of 500 MB"
    goal = "0.7"

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        self.publish()

    def command(self, engine: Engine, turn: int) -> str:
        return engine.pull.format(image=self.image)


class Push(Transfer):
    title = "push an image of 500 MB"
    goal = "0.7"

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        shell(engine.load.format(file=self.archive))

    def command(self, engine: Engine, turn: int) -> str:
        return engine.push.format(image=self.image)


class Copy(Pull):
    title = "copy 500 MB from a registry into a layout (skopeo for buildah)"
    goal = "1 of skopeo"

    def before(self, engine: Engine, turn: int) -> None:
        super().before(engine, turn)
        shutil.rmtree(self.folder / "layout", ignore_errors=True)

    def command(self, engine: Engine, turn: int) -> str:
        if not engine.copy:
            raise RuntimeError(f"{engine.name} unpacks all that it copies")
        target = f"oci:{self.folder}/layout:bench"
        return engine.copy.format(source=f"docker://{self.image}", target=target)


def _write_archive(target: Path, tree: Path, name: str) -> None:
    """A docker-archive of layers that nobody has seen."""
    place = target.with_suffix("")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    layers, diff_ids = [], []
    for number in range(_LAYERS):
        (tree / "unique").write_text(f"{name} {number} {time.time()}")
        layer = f"{number}.tar"
        change = f"--transform 's,^[.]/,l{number}/,'"
        shell(f"tar c {change} -C {tree} -f {place}/{layer} .")
        digest = shell(f"sha256sum {place}/{layer}").split()[0]
        layers.append(layer)
        diff_ids.append(f"sha256:{digest}")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "bench"}] * _LAYERS,
    }
    (place / "config.json").write_text(json.dumps(config))
    entry = {"Config": "config.json", "RepoTags": [name], "Layers": layers}
    (place / "manifest.json").write_text(json.dumps([entry]))
    names = " ".join(sorted(os.listdir(place)))
    shell(f"tar c -C {place} -f {target} {names}")

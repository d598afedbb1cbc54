"""Projects as tests want them, without a file: canonical trees, and what there is."""

from __future__ import annotations

from typing import Any

from lamina.oci.config import ImageConfig
from lamina.runtime.containers.options import Options
from lamina.runtime.containers.state import Container, State
from lamina.runtime.owner import Owner
from lamina.services import labels
from lamina.services.compose.asked import Loaded
from lamina.services.compose.places import Places
from lamina.services.observed import Observed
from lamina.services.project import Project
from lamina.services.reading import project_of
from lamina.services.wanted import Wanted


def project(tree: dict[str, Any], **scales: int) -> Project:
    """The project `app` of a canonical tree."""
    loaded = Loaded(
        name="app",
        folder="/src",
        files=("/src/compose.yaml",),
        profiles=tuple(tree.pop("active", ())),
        tree=tree,
        places=Places({}),
        warnings=(),
        environment={"TOKEN": "secret"},
    )
    return project_of(loaded, scales)


def of_services(**services: dict[str, Any]) -> Project:
    """The project of these services alone."""
    tree = {name: {"image": "busybox", **keys} for name, keys in services.items()}
    return project({"services": tree})


def wanted(tree: dict[str, Any], service: str = "web", **more: Any) -> Wanted:
    """The first container of a service of that tree."""
    made = project(tree)
    found = made.service(service)
    assert found is not None
    fields = {"place": "/containers/1", "adopted": {}, **more}
    return Wanted(made, found, 1, f"app-{service}-1", "sha256:1", **fields)


def wants(**keys: Any) -> Wanted:
    """The first container of a service `web` with these keys."""
    return wanted({"services": {"web": {"image": "busybox", **keys}}})


def there(
    service: str,
    number: int,
    digest: str = "",
    image: str = "sha256:1",
    running: bool = True,
) -> Observed:
    """A container of the project that is there, made from a service with that hash."""
    told = {
        labels.PROJECT: "app",
        labels.SERVICE: service,
        labels.NUMBER: str(number),
        labels.HASH: digest,
        labels.ONCE: "False",
    }
    config = ImageConfig("amd64", "linux", labels=told)
    container = Container(
        f"{number:064x}",
        f"app-{service}-{number}",
        number,
        image,
        "busybox",
        (),
        ("true",),
        config,
        Options(),
    )
    status = "running" if running else "exited"
    return Observed(
        container, State(status, Owner("keeper", 1, 1, "") if running else None)
    )

"""The images of services: built as their `build` says, through `lamina build`."""

from __future__ import annotations

import contextlib
import os
import tempfile

from lamina.errors import LaminaError
from lamina.services.errors import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from lamina.cli.settings import Settings
    from lamina.services.project import Project, Service

# Keys whose texts are a flag's, each by itself.
_TEXTS = {"target": "--target", "network": "--network", "shm_size": "--shm-size"}
_LISTS = {
    "cache_from": "--cache-from",
    "cache_to": "--cache-to",
    "tags": "--tag",
    "entitlements": "--allow",
    "platforms": "--platform",
}
_SWITCHES = {"no_cache": "--no-cache", "pull": "--pull"}
_PAIRS = {
    "args": "--build-arg",
    "labels": "--label",
    "additional_contexts": "--build-context",
}


class NotBuilt(LaminaError):
    """A build that has failed, and said why."""


@contextlib.contextmanager
def flags_of(
    project: Project, service: Service, more: tuple[str, ...] = ()
) -> Iterator[list[str]]:
    """What `lamina build` is told for a service; a recipe that stands in the compose
    file is a file while this lasts."""
    keys = service.build
    context = keys.get("context") or project.folder
    found = ["--tag", service.image, *more]
    texts = _TEXTS.items()
    found += [f"{flag}={keys[name]}" for name, flag in texts if keys.get(name)]
    for name, flag in _LISTS.items():
        found += [f"{flag}={one}" for one in keys.get(name) or ()]
    for name, flag in _PAIRS.items():
        for key, given in (keys.get(name) or {}).items():
            found.append(f"{flag}={key}" if given is None else f"{flag}={key}={given}")
    found += [f"--ssh={text}" for text in _agents(keys.get("ssh") or ())]
    found += [f"--secret={text}" for text in _secrets(project, keys)]
    found += [f"--add-host={text}" for text in _hosts(keys.get("extra_hosts") or ())]
    found += [f"--ulimit={text}" for text in _ulimits(keys.get("ulimits") or {})]
    found += [flag for name, flag in _SWITCHES.items() if keys.get(name)]
    platform = service.keys.get("platform")
    if platform and not keys.get("platforms"):
        found.append(f"--platform={platform}")
    with contextlib.ExitStack() as stack:
        if keys.get("dockerfile_inline"):
            file = stack.enter_context(_written(keys["dockerfile_inline"]))
            found += ["--file", file]
        elif keys.get("dockerfile"):
            found += ["--file", _recipe(context, keys["dockerfile"])]
        yield [*found, context]


def build(
    project: Project, service: Service, settings: Settings, more: tuple[str, ...] = ()
) -> None:
    """Build the image of a service; raises LaminaError."""
    from lamina.cli.building.build import carry_out
    from lamina.cli.main import parsed

    with about(service.name), flags_of(project, service, more) as flags:
        code, _ = carry_out(parsed(["build", *flags]), settings)
        if code:
            raise NotBuilt(f"The image {service.image} was not built.")


@contextlib.contextmanager
def _written(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(
        "w", prefix="lamina-", suffix=".Dockerfile"
    ) as file:
        file.write(text)
        file.flush()
        yield file.name


def _recipe(context: str, name: str) -> str:
    """A recipe is one of the context's, where that is a folder."""
    return os.path.join(context, name) if os.path.isdir(context) else name


def _agents(given: Any) -> list[str]:
    if isinstance(given, dict):
        return [f"{key}={path}" if path else key for key, path in given.items()]
    return [
        one
        if isinstance(one, str)
        else "=".join(filter(None, (one.get("id"), one.get("path"))))
        for one in given
    ]


def _secrets(project: Project, keys: Mapping[str, Any]) -> list[str]:
    found = []
    for one in keys.get("secrets") or ():
        known = project.secrets[one["source"]]
        name = one.get("target") or one["source"]
        where = (
            f"src={known['file']}"
            if known.get("file")
            else f"env={known['environment']}"
        )
        found.append(f"id={name},{where}")
    return found


def _hosts(given: Any) -> list[str]:
    from lamina.services.attachments import hosts_of

    return list(hosts_of(given))


def _ulimits(given: Mapping[str, Any]) -> list[str]:
    from lamina.services.limits import ulimits_of

    return list(ulimits_of(given))

"""A compose file's canonical tree to a Project."""

from __future__ import annotations

import hashlib
import json

from lamina.services.project import (
    START_FIRST,
    STOP_FIRST,
    Dependency,
    Network,
    Project,
    Service,
    Update,
    Volume,
)
from lamina.services.units import seconds
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lamina.services.compose.asked import Loaded

# What may change without a container being made anew (compose's ServiceHash).
_LIVE = ("build", "pull_policy", "scale", "depends_on", "profiles", "attach", "develop")
_LIVE_DEPLOY = ("replicas", "update_config", "rollback_config", "mode")


def project_of(loaded: Loaded, scales: Mapping[str, int] | None = None) -> Project:
    """The project that a compose file says; `scales` are numbers of containers said
    elsewhere, by services."""
    tree = loaded.tree
    services = tree.get("services") or {}
    wanted = scales or {}
    given = {kind: _contents(loaded, kind) for kind in ("secrets", "configs")}
    return Project(
        name=loaded.name,
        folder=loaded.folder,
        files=loaded.files,
        services=tuple(
            _service(
                loaded.name, name, services[name], {**tree, **given}, wanted.get(name)
            )
            for name in sorted(services)
        ),
        networks=tuple(
            Network(key, keys.get("name") or key, bool(keys.get("external")), keys)
            for key, keys in _named(tree, "networks")
        ),
        volumes=tuple(
            Volume(key, keys.get("name") or key, bool(keys.get("external")), keys)
            for key, keys in _named(tree, "volumes")
        ),
        secrets=given["secrets"],
        configs=given["configs"],
        profiles=loaded.profiles,
        read=loaded.read,
    )


def _named(tree: Mapping[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(key, keys or {}) for key, keys in sorted((tree.get(kind) or {}).items())]


def _contents(loaded: Loaded, kind: str) -> dict[str, dict[str, Any]]:
    """Secrets or configs, with the text of those that a variable has."""
    found = {}
    for key, keys in _named(loaded.tree, kind):
        found[key] = dict(keys)
        if "environment" in keys:
            found[key]["content"] = loaded.environment.get(keys["environment"])
    return found


def _service(
    project: str,
    name: str,
    keys: Mapping[str, Any],
    tree: Mapping[str, Any],
    scale: int | None,
) -> Service:
    deploy = keys.get("deploy") or {}
    build = keys.get("build") or {}
    if scale is None:
        scale = keys.get("scale")
    if scale is None:
        scale = deploy.get("replicas")
    return Service(
        name=name,
        image=keys.get("image") or f"{project}-{name}",
        keys=keys,
        hash=_hash(keys, tree),
        build=build,
        pull_policy=keys.get("pull_policy") or "",
        scale=1 if scale is None else int(scale),
        container_name=keys.get("container_name") or "",
        depends_on=_dependencies(keys),
        profiles=tuple(keys.get("profiles") or ()),
        update=_update(deploy.get("update_config") or {}),
        grouped=deploy.get("endpoint_mode", "vip") != "dnsrr",
        attach=keys.get("attach", True) is not False,
    )


def _dependencies(keys: Mapping[str, Any]) -> tuple[Dependency, ...]:
    """What is named in `depends_on`, and what is shared with others."""
    found = {
        name: Dependency(
            name,
            one.get("condition") or "service_started",
            one.get("required", True) is not False,
            bool(one.get("restart")),
        )
        for name, one in (keys.get("depends_on") or {}).items()
    }
    shared = _namespaces(keys)
    for name in (*shared, *_others(keys)):
        one = found.get(name) or Dependency(name, restart=True)
        found[name] = replace(one, shares=name in shared)
    return tuple(found[name] for name in sorted(found))


def _namespaces(keys: Mapping[str, Any]) -> list[str]:
    """Services whose namespaces this one has."""
    modes = [keys.get(key) or "" for key in ("network_mode", "ipc", "pid")]
    return [
        mode.removeprefix("service:") for mode in modes if mode.startswith("service:")
    ]


def _others(keys: Mapping[str, Any]) -> list[str]:
    """Services whose volumes this one has, or which it has a link to."""
    found = [
        text.partition(":")[0]
        for text in keys.get("volumes_from") or ()
        if not text.startswith("container:")
    ]
    found += [text.partition(":")[0] for text in keys.get("links") or ()]
    return found


def _update(keys: Mapping[str, Any]) -> Update:
    order = START_FIRST if keys.get("order") == START_FIRST else STOP_FIRST
    return Update(
        order, int(keys.get("parallelism") or 0), seconds(keys.get("delay") or "0")
    )


def _hash(keys: Mapping[str, Any], tree: Mapping[str, Any]) -> str:
    """The digest of all that its containers are made of, what it mounts included."""
    own = {key: given for key, given in keys.items() if key not in _LIVE}
    if "deploy" in own:
        deploy = own["deploy"] or {}
        own["deploy"] = {k: g for k, g in deploy.items() if k not in _LIVE_DEPLOY}
    used = {
        kind: {
            one["source"]: (tree.get(kind) or {}).get(one["source"])
            for one in keys.get(kind) or ()
        }
        for kind in ("secrets", "configs")
    }
    mounts = keys.get("volumes") or ()
    mounted = [one["source"] for one in mounts if one.get("source")]
    names = {
        kind: {
            key: ((tree.get(kind) or {}).get(key) or {}).get("name") for key in keys_of
        }
        for kind, keys_of in (
            ("networks", keys.get("networks") or ()),
            ("volumes", mounted),
        )
    }
    text = json.dumps([own, used, names], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

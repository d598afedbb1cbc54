"""What is wrong with a project as a whole: names that lead nowhere, keys that cannot be
together."""

from __future__ import annotations

import re

from lamina.errors import LaminaError
from lamina.services.compose.kinds import did_you_mean
from lamina.services.compose.nodes import Node, way
from lamina.services.compose.support import (
    PROJECT_RULES,
    SERVICE_RULES,
    check_support,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NONE = Node({})


def check(
    tree: Node, active: Callable[[Node], bool], warn: Callable[[str], None]
) -> None:
    """Raises ComposeError at what cannot be, and tells `warn` what is strange.

    Services of other profiles may name what is not there: they are not looked at.
    """
    _check_resources(tree)
    services = tree.value["services"].value
    chosen = [service for service in services.values() if active(service)]
    _check_names(chosen)
    for name, service in services.items():
        if active(service):
            path = f"services.{name}"
            _check_source(service, path)
            _check_references(tree, service, path)
            _check_dependencies(services, name, active)
            _check_conflicts(service, path, warn)
            check_support(service, path, SERVICE_RULES, warn)
    check_support(_used(tree, chosen), "", PROJECT_RULES, warn)
    _check_circles(services)


def _check_source(service: Node, path: str) -> None:
    if not any(key in service.value for key in ("image", "build", "provider")):
        raise service.error(
            f"`{path}` has neither an image nor a build.",
            hint="Say `image: NAME`, or `build: .`.",
        )
    image = service.get("image")
    if image is not None:
        _check_image(image, path)
    build = service.get("build")
    if build is not None and {"dockerfile", "dockerfile_inline"} <= build.value.keys():
        raise build.value["dockerfile_inline"].error(
            f"`{path}.build` has both `dockerfile` and `dockerfile_inline`."
        )
    if build is not None:
        _check_platforms(service, build, path)


def _check_image(image: Node, path: str) -> None:
    from lamina.oci.reference import parse_reference

    if re.fullmatch("(sha256:)?[0-9a-f]{64}", image.value):
        return
    try:
        parse_reference(image.value)
    except LaminaError as error:
        raise image.error(f"`{path}.image`: {error.message}", hint=error.hint) from None


def _check_platforms(service: Node, build: Node, path: str) -> None:
    own, built = service.get("platform"), build.get("platforms")
    if own is None or built is None or not own.value:
        return
    if own.value not in [item.value for item in built.value]:
        raise own.error(
            f"`{path}` is of the platform {own.value}, which is not among "
            "those it is built for."
        )


def _check_names(services: list[Node]) -> None:
    """Refuse two containers of one name."""
    known: dict[str, Node] = {}
    for service in services:
        name = service.get("container_name")
        if name is None or not name.value:
            continue
        other = known.setdefault(name.value, service)
        if other is not service:
            raise name.error(
                f"Two containers cannot both be called {name.value!r}: {other.place}."
            )


# References


def _names(tree: Node, section: str) -> Mapping[str, Node]:
    found: Mapping[str, Node] = (tree.get(section) or NONE).value
    return found


def _check_references(tree: Node, service: Node, path: str) -> None:
    for section, name, node in _references(service):
        _known(tree, section, name, node, path)


def _references(service: Node) -> Iterator[tuple[str, str, Node]]:
    """What a service names of the top level: the section, the name, and where."""
    for name, item in (service.get("networks") or NONE).value.items():
        yield "networks", name, item
    for item in _items(service, "volumes"):
        source = item.get("source")
        if item.value["type"].value == "volume" and source and source.value:
            yield "volumes", source.value, source
    for section in ("secrets", "configs"):
        for item in _items(service, section):
            yield section, item.value["source"].value, item.value["source"]
    for item in (service.get("build", "secrets") or Node([])).value:
        yield "secrets", item.value["source"].value, item.value["source"]


def _used(tree: Node, services: list[Node]) -> Node:
    """The tree with those networks, volumes, secrets and configs that services name."""
    used: dict[str, set[str]] = {}
    for service in services:
        for section, name, _ in _references(service):
            used.setdefault(section, set()).add(name)
    found = {}
    for section, names in used.items():
        known = _names(tree, section)
        found[section] = Node({name: known[name] for name in known if name in names})
    return tree.holding(found)


def _items(service: Node, key: str) -> list[Node]:
    found: list[Node] = (service.get(key) or Node([])).value
    return found


def _known(tree: Node, section: str, name: str, node: Node, path: str) -> None:
    known = _names(tree, section)
    if name not in known:
        one = section[:-1]
        hint = did_you_mean(name, known) or f"Define it under `{section}:`."
        raise node.error(
            f"`{path}` uses the {one} {name!r}, which is not there.", hint=hint
        )


def _check_dependencies(
    services: Mapping[str, Node], name: str, active: Callable[[Node], bool]
) -> None:
    for other, item in (services[name].get("depends_on") or NONE).value.items():
        required = item.get("required")
        needed = required is None or required.value
        if other not in services:
            if needed:
                hint = did_you_mean(other, services)
                raise item.error(
                    f"Service {name!r} needs {other!r}, which is not there.", hint=hint
                )
        elif needed and not active(services[other]):
            profiles = [p.value for p in _items(services[other], "profiles")]
            raise item.error(
                f"Service {name!r} needs {other!r}, whose profile is not active.",
                hint=f"Activate it with `--profile {profiles[0]}`.",
            )


def _check_circles(services: Mapping[str, Node]) -> None:
    """Refuse services that wait for each other."""
    done: set[str] = set()
    for start in services:
        # Depth first without recursion: a chain may be as long as the file.
        trail: dict[str, list[str]] = {}
        todo = [start]
        while todo:
            name = todo[-1]
            if name in trail:
                if not trail[name]:
                    done.add(name)
                    del trail[name]
                    todo.pop()
                    continue
                following = trail[name].pop()
            else:
                trail[name] = list((services[name].get("depends_on") or NONE).value)
                continue
            if following in trail:
                names = list(trail)
                circle = [*names[names.index(following) :], following]
                node = services[name].value["depends_on"].value[following]
                raise node.error(
                    f"Services wait for each other in a circle: {way(circle)}."
                )
            if following in services and following not in done:
                todo.append(following)


# Keys that cannot be together


def _check_conflicts(service: Node, path: str, warn: Callable[[str], None]) -> None:
    given = service.value
    mode = given.get("network_mode")
    if mode is not None and mode.value and given.get("networks", NONE).value:
        raise mode.error(f"`{path}` has both `network_mode` and `networks`.")
    _check_network_mode(service, path)
    _check_scale(service, path)
    _check_twice(service, path)
    health = service.get("healthcheck")
    if health is not None:
        period, interval = health.get("start_period"), health.get("start_interval")
        if interval is not None and period is None:
            raise interval.error(
                f"`{path}.healthcheck` has a `start_interval` without `start_period`."
            )
    for at, watch in enumerate((service.get("develop", "watch") or Node([])).value):
        action = watch.value["action"].value
        if action.startswith("sync") and "target" not in watch.value:
            raise watch.error(
                f"`{path}.develop.watch[{at}]` has no `target` to sync to."
            )
        if action == "sync+exec" and "exec" not in watch.value:
            raise watch.error(f"`{path}.develop.watch[{at}]` has no `exec`.")
    if "build" not in given and "watch" in (service.get("develop") or NONE).value:
        warn(f"{given['develop'].place}: `{path}` has no build, and is not rebuilt.")


def _check_network_mode(service: Node, path: str) -> None:
    mode = service.get("network_mode")
    if mode is None or not mode.value:
        return
    shared = mode.value.startswith(("service:", "container:"))
    if not shared and mode.value not in ("bridge", "default", "host", "none"):
        raise mode.error(
            f"`{path}.network_mode` cannot be {mode.value!r}.",
            hint="A network of the project goes to `networks`. There are bridge, host, "
            "none, service:NAME and container:NAME.",
        )
    ports = service.get("ports")
    if ports is not None and ports.value and (shared or mode.value == "none"):
        hint = "Publish them where the network is." if shared else ""
        raise ports.error(
            f"`{path}` publishes ports, and has no network of its own.", hint=hint
        )


def _check_scale(service: Node, path: str) -> None:
    scale, replicas = service.get("scale"), service.get("deploy", "replicas")
    if scale is not None and replicas is not None and scale.value != replicas.value:
        raise scale.error(
            f"`{path}` has `scale: {scale.value}` and "
            f"`deploy.replicas: {replicas.value}`."
        )
    count = scale or replicas
    name = service.get("container_name")
    if name is not None and count is not None and count.value > 1:
        raise name.error(
            f"`{path}` has a `container_name`, so that there can be one of it, and "
            f"{count.value} are asked for."
        )


# The old key, and where `deploy` has it.
_TWICE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("cpus",), ("deploy", "resources", "limits", "cpus")),
    (("mem_limit",), ("deploy", "resources", "limits", "memory")),
    (("pids_limit",), ("deploy", "resources", "limits", "pids")),
    (("mem_reservation",), ("deploy", "resources", "reservations", "memory")),
)


def _check_twice(service: Node, path: str) -> None:
    for old, new in _TWICE:
        one, other = service.get(*old), service.get(*new)
        if one is not None and other is not None and one.value != other.value:
            raise one.error(
                f"`{path}.{'.'.join(old)}` and `{'.'.join(new)}` are not the same.",
                hint="Give one of them.",
            )


# At the top level


def _check_resources(tree: Node) -> None:
    for section, sources in (
        ("secrets", ("file", "environment")),
        ("configs", ("file", "environment", "content")),
    ):
        for name, node in _names(tree, section).items():
            _check_sources(node, f"{section}.{name}", sources)
    for section in ("networks", "volumes"):
        for name, node in _names(tree, section).items():
            others = node.value.keys() - {"external", "name"}
            strange = [key for key in others if not key.startswith("x-")]
            if "external" in node.value and strange:
                key = min(strange)
                raise node.value[key].error(
                    f"`{section}.{name}` is external, and cannot have `{key}`: it "
                    "was made elsewhere."
                )


def _check_sources(node: Node, path: str, sources: tuple[str, ...]) -> None:
    given = [key for key in (*sources, "external", "driver") if key in node.value]
    if len(given) > 1:
        raise node.value[given[1]].error(
            f"`{path}` has both `{given[0]}` and `{given[1]}`."
        )
    if not given:
        shown = ", ".join(f"`{key}`" for key in sources)
        raise node.error(f"`{path}` has none of {shown}.")

"""What Docker adds to a merged tree: names, defaults, and what services imply."""

from __future__ import annotations

from lamina.services.compose.dotenv import parse_dotenv, parse_raw
from lamina.services.compose.finding import unset
from lamina.services.compose.nodes import Node
from lamina.services.compose.reading import exists, read_file, shown
from lamina.services.compose.shapes import made_of
from lamina.services.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from lamina.services.compose.documents import Scope

# Keys that Docker prints for each service, whether they are there or not.
_ALWAYS = ("command", "entrypoint")
# Namespaces of another service: it has to be there first.
_JOINED = ("network_mode", "ipc", "pid", "uts", "cgroup")
_NAMED = ("networks", "volumes", "secrets", "configs")


def complete(
    tree: Node, name: str, active: Callable[[Node], bool], scope: Scope
) -> Node:
    """The tree as `docker compose config` prints it. Raises ComposeError."""
    found = {key: item for key, item in tree.value.items() if item.value is not None}
    found.pop("version", None)
    services = found.get("services", Node({}))
    completed = {
        own: _service(service, active(service), scope)
        for own, service in services.value.items()
    }
    made: dict[str, Node] = {"name": found.pop("name", Node(name)).like(name)}
    made["services"] = services.holding(completed)
    uses_default = any(
        service.get("networks", "default") for service in completed.values()
    )
    for section in _NAMED:
        entries = found.get(section)
        known = dict(entries.value) if entries else {}
        if section == "networks" and uses_default:
            known.setdefault("default", Node({}))
        if known:
            made[section] = (entries or Node({})).holding(
                {
                    own: _resource(section, own, item, name)
                    for own, item in known.items()
                }
            )
    return tree.holding({**made, **{k: v for k, v in found.items() if k not in made}})


def _resource(section: str, own: str, node: Node, project: str) -> Node:
    """A network, volume, secret or config with the name that it has on this machine."""
    given = dict(node.value or {})
    external = given.get("external")
    if external is not None and not external.value:
        external = None
        del given["external"]
    if "name" not in given or not given["name"].value:
        given["name"] = made_of(node, own if external else f"{project}_{own}")
    if section == "networks" and not external:
        given.setdefault("ipam", made_of(node, {}))
    return node.like(given)


def _service(node: Node, active: bool, scope: Scope) -> Node:
    given = {
        key: item for key, item in node.value.items() if not _says_nothing(key, item)
    }
    for key in _ALWAYS:
        given.setdefault(key, Node(None))
    if "build" in given:
        given["build"] = _build(given["build"])
    if "dns" in given:
        servers = [item for item in given["dns"].value if item.value]
        given["dns"] = given["dns"].holding(servers)
    if "networks" not in given and "network_mode" not in given:
        given["networks"] = made_of(node, {"default": None})
    if "pull_policy" in given and given["pull_policy"].value == "if_not_present":
        given["pull_policy"] = given["pull_policy"].like("missing")
    if "secrets" in given:
        given["secrets"] = _with_targets(given["secrets"])
    depends = _dependencies(given)
    if depends.value:
        given["depends_on"] = depends
    _merge_files(given, active, scope)
    return node.holding(given)


def _says_nothing(key: str, item: Node) -> bool:
    """Whether a key is as good as left out."""
    if key in ("deploy", "develop"):
        return item.value is None
    return key in ("image", "network_mode", "networks") and not item.value


def _build(node: Node) -> Node:
    given = dict(node.value)
    if "secrets" in given:
        given["secrets"] = _with_targets(given["secrets"], "")
    return node.holding(given)


def _with_targets(node: Node, folder: str = "/run/secrets/") -> Node:
    made = []
    for item in node.value:
        target = item.get("target")
        source = item.value["source"]
        shown = target or source.like(folder + source.value)
        made.append(item.holding({**item.value, "target": shown}))
    return node.holding(made)


def _dependencies(given: Mapping[str, Node]) -> Node:
    """`depends_on`, with the services that others of the keys name."""
    depends = given.get("depends_on", Node({}))
    found = {key: _dependency(key, item) for key, item in depends.value.items()}
    for place, name, restart in _implied(given):
        made = {"condition": "service_started", "required": True, "restart": restart}
        found.setdefault(name, made_of(place, made))
    return depends.holding(found) if depends.value else Node(found)


def _dependency(name: str, node: Node) -> Node:
    if "condition" not in node.value:
        raise node.error(
            f"`depends_on.{name}` has no `condition`.",
            hint="The short form stands for service_started.",
        )
    required = node.value.get("required", made_of(node, True))
    return node.holding({**node.value, "required": required})


def _implied(given: Mapping[str, Node]) -> Iterator[tuple[Node, str, bool]]:
    """Where a service is named, which, and whether both are restarted together."""
    for link in _list(given, "links"):
        yield link, link.value.partition(":")[0], True
    for key in _JOINED:
        other = given.get(key)
        if other is not None and str(other.value).startswith("service:"):
            yield other, other.value.removeprefix("service:"), True
    for other in _list(given, "volumes_from"):
        if not other.value.startswith("container:"):
            yield other, other.value.partition(":")[0], False


def _list(given: Mapping[str, Node], key: str) -> list[Node]:
    node = given.get(key)
    found: list[Node] = node.value if node is not None else []
    return found


# Files of variables


def _merge_files(given: dict[str, Node], active: bool, scope: Scope) -> None:
    """`environment` with the variables of `env_file` below it, and `labels` likewise.

    Files of a service whose profile is not active need not be there: it keeps the key.
    """
    for listed, key in (("env_file", "environment"), ("label_file", "labels")):
        files = given.get(listed)
        if files is None:
            continue
        if not active and not all(exists(_path(item)) for item in files.value):
            continue
        own = given.get(key, made_of(files, {}))
        below: dict[str, Node] = {}
        for item in files.value:
            for name, text in _variables(item, below, scope).items():
                below[name] = made_of(item, text)
        del given[listed]
        given[key] = own.holding({**below, **own.value})


def _path(item: Node) -> str:
    found: Any = (
        item.value["path"].value if isinstance(item.value, dict) else item.value
    )
    return str(found)


def _variables(item: Node, below: Mapping[str, Node], scope: Scope) -> dict[str, str]:
    path = _path(item)
    required, form = item.get("required"), item.get("format")
    if not exists(path):
        if required is not None and not required.value:
            return {}
        raise item.error(
            f"There is no file of variables {path}.",
            hint="Where it may be missing, say so: `required: false`.",
        )

    scope.seen.files[path] = None

    def known(name: str) -> str | None:
        if name in below:
            return str(below[name].value)
        return scope.environment.get(name)

    try:
        data = read_file(path, "file of variables")
        name = shown(path, scope.cwd)
        if form is not None:
            return parse_raw(name, data, known)
        return parse_dotenv(name, data, known, lambda name: scope.warn(unset(name)))
    except ComposeError as error:
        raise error if error.place else item.error(error.message) from None

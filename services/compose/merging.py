"""One canonical tree over another: a second file over the first, a service over the one
that it extends.

Mappings merge and sequences grow, but for what `_REPLACED` and `_UNIQUE` say of a path.
Since both trees are canonical, short and long forms need no thought here.
"""

from __future__ import annotations

from lamina.services.compose.nodes import NO_KEYS, Node, plain
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Path = tuple[str, ...]

# What a later file replaces as a whole. `*` is any name.
_REPLACED = frozenset(
    {
        ("services", "*", "command"),
        ("services", "*", "entrypoint"),
        ("services", "*", "healthcheck", "test"),
        ("services", "*", "ulimits", "*"),
        ("services", "*", "build", "ulimits", "*"),
        # Names whose value comes from the environment, or that have none.
        ("services", "*", "environment", "*"),
        ("services", "*", "build", "args", "*"),
    }
)


def _key(*names: str) -> Callable[[Any], Any]:
    return lambda item: tuple(item.get(name) for name in names)


def _file(item: Any) -> Any:
    return item.get("target") or item["source"]


def _before_colon(item: Any) -> Any:
    return item.partition(":")[0]


# What tells items of a sequence apart: of two with the same, the later one counts.
_UNIQUE: dict[Path, Callable[[Any], Any]] = {
    ("services", "*", "ports"): _key("host_ip", "target", "published", "protocol"),
    ("services", "*", "volumes"): _key("target"),
    ("services", "*", "devices"): _key("target"),
    ("services", "*", "secrets"): _file,
    ("services", "*", "configs"): _file,
    ("services", "*", "build", "secrets"): _file,
    ("services", "*", "env_file"): _key("path"),
    ("services", "*", "tmpfs"): _before_colon,
    ("networks", "*", "ipam", "config"): _key("subnet"),
}


# Where a name may begin with `x-`; elsewhere that is a key of the user's own, which
# nothing is known of, and which a later file replaces.
_NAMES = {("services",), ("networks",), ("volumes",), ("secrets",), ("configs",)}


def _host(line: str) -> str:
    return line.partition("=")[0]


def merge(base: Node, over: Node, path: Path = ()) -> Node:
    """`over` upon `base`, both canonical."""
    if over.tag == "override" or _matches(path, _REPLACED):
        return settled(over, path)
    if over.value is None:
        return base
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        if path[-1:] == ("logging",) and _other_driver(base, over):
            return settled(over, path)
        return _mappings(base, over, path)
    if isinstance(base.value, list) and isinstance(over.value, list):
        return over.holding(_joined(base.value, settled(over, path).value, path))
    return settled(over, path)


def _joined(earlier: list[Node], later: list[Node], path: Path) -> list[Node]:
    """A sequence and more items, without those that are there already."""
    if path[-1:] == ("extra_hosts",):
        hosts = {_host(item.value) for item in later}
        earlier = [item for item in earlier if _host(item.value) not in hosts]
    if _rule(path):
        return unique([*earlier, *later], path)
    known = {repr(plain(item)) for item in earlier}
    return [*earlier, *(item for item in later if repr(plain(item)) not in known)]


def settled(node: Node, path: Path = ()) -> Node:
    """A tree that is laid over nothing: without what `!reset` takes away."""
    if isinstance(node.value, dict):
        kept = {
            key: settled(item, (*path, key))
            for key, item in node.value.items()
            if item.tag != "reset"
        }
        return replace(node, value=kept, tag="")
    if isinstance(node.value, list):
        items = [settled(item, (*path, "*")) for item in node.value]
        return replace(node, value=unique(items, path), tag="")
    return replace(node, tag="") if node.tag else node


def _mappings(base: Node, over: Node, path: Path) -> Node:
    merged = dict(base.value)
    for key, item in over.value.items():
        inner = (*path, key)
        if item.tag == "reset":
            merged.pop(key, None)
        elif key in merged and not (key.startswith("x-") and path not in _NAMES):
            merged[key] = merge(merged[key], item, inner)
        else:
            merged[key] = settled(item, inner)
    keys = {**base.keys, **over.keys} if over.keys is not NO_KEYS else base.keys
    # Places of keys are those of one file, unless both are in it.
    keys = keys if base.source == over.source else NO_KEYS
    return replace(base, value=merged, keys=keys)


def _other_driver(base: Node, over: Node) -> bool:
    one, other = base.get("driver"), over.get("driver")
    return one is not None and other is not None and one.value != other.value


def unique(items: list[Node], path: Path) -> list[Node]:
    """The items of a sequence without those that a later one takes the place of."""
    if not items:
        return items
    known = _rule(path)
    if path[:1] and path[0].startswith("x-"):
        return items
    if known is None and not all(isinstance(item.value, str) for item in items):
        return items
    if any(step in _KEPT_AS_IT_IS or step.startswith("x-") for step in path[2:]):
        return items
    last: dict[Any, Node] = {}
    for item in items:
        found = plain(item)
        last[known(found) if known else found] = item
    return list(last.values())


# Sequences of words, in which one may be there twice.
_KEPT_AS_IT_IS = frozenset(
    {"command", "entrypoint", "healthcheck", "post_start", "pre_stop", "develop"}
)


def _rule(path: Path) -> Callable[[Any], Any] | None:
    for pattern, rule in _UNIQUE.items():
        if _fits(path, pattern):
            return rule
    return None


def _matches(path: Path, patterns: frozenset[Path]) -> bool:
    return any(_fits(path, pattern) for pattern in patterns)


def _fits(path: Path, pattern: Path) -> bool:
    return len(path) == len(pattern) and all(
        wanted in ("*", name) for name, wanted in zip(path, pattern, strict=True)
    )

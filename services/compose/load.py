"""A project from its files."""

from __future__ import annotations

import os

from lamina.services.compose.asked import Loaded
from lamina.services.compose.checking import check
from lamina.services.compose.completing import complete
from lamina.services.compose.documents import Scope, Seen, model, resolved
from lamina.services.compose.finding import STDIN, check_name, find, normal_name
from lamina.services.compose.kinds import text
from lamina.services.compose.nodes import Node, places_of, plain
from lamina.services.compose.places import Places
from lamina.services.compose.reading import LARGEST_FILE, shown
from lamina.services.compose.yaml_reader import parse_yaml
from lamina.services.errors import ComposeError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.services.compose.asked import Asked
    from lamina.services.compose.finding import Found

ALL_PROFILES = "*"


def load(asked: Asked, read_stdin: Callable[[int], bytes] | None = None) -> Loaded:
    """The project that is asked for, in its canonical form.

    `read_stdin` gives at most so many bytes, for the file `-`. Raises ComposeError.
    """
    try:
        return _load(asked, read_stdin or _stdin)
    except RecursionError:
        raise ComposeError("The files are nested too deeply.") from None


def _load(asked: Asked, read_stdin: Callable[[int], bytes]) -> Loaded:
    seen = Seen({}, {}, [], set(), [], {})

    def warn(message: str) -> None:
        seen.warnings.setdefault(message)

    found = find(asked, warn)
    seen.files.update(dict.fromkeys(found.env_files))
    scope = Scope(asked.cwd, found.folder, found.environment, seen, {})
    if STDIN in found.files:
        data = read_stdin(LARGEST_FILE + 1)
        seen.documents[STDIN] = parse_yaml(STDIN, data)
    name = _project_name(asked, found, scope)
    environment = {**found.environment, "COMPOSE_PROJECT_NAME": name}
    scope = replace(scope, environment=environment)
    profiles = _profiles(asked, environment)
    tree = model(found.files, scope)
    _check_empty(tree, seen)
    _check_something(tree, found.files, asked.cwd)
    _warn_of_version(tree, warn)
    active = _active(tree, profiles, asked.services)
    tree = complete(tree, name, active, scope)
    check(tree, active, warn)
    return Loaded(
        name,
        found.folder,
        found.files,
        profiles,
        plain(tree),
        Places(places_of(tree)),
        tuple(seen.warnings),
        environment,
        tuple(seen.files),
    )


def _check_empty(tree: Node, seen: Seen) -> None:
    """Refuse what is empty still, now that all files are merged."""
    errors = {id(node): error for node, error in seen.empty}
    todo = [tree] if errors else []
    while todo:
        node = todo.pop()
        if id(node) in errors:
            raise errors[id(node)]
        if isinstance(node.value, dict):
            todo += reversed(node.value.values())


def _stdin(most: int) -> bytes:
    with open(0, "rb", closefd=False) as stream:
        return stream.read(most)


def _project_name(asked: Asked, found: Found, scope: Scope) -> str:
    def error(message: str, hint: str) -> ComposeError:
        return ComposeError(message, hint=hint)

    given = asked.name or found.environment.get("COMPOSE_PROJECT_NAME", "")
    if given:
        return check_name(given, error)
    written = _written_name(found, scope)
    if written is not None and written.value:
        return check_name(
            written.value, lambda said, hint: written.error(said, hint=hint)
        )
    name = normal_name(os.path.basename(found.folder))
    if not name:
        name = normal_name(os.path.basename(os.path.realpath(found.folder)))
    if not name:
        hint = "Give it one with `-p` or `name:`."
        raise ComposeError(
            "The project has no name, and neither has its folder.", hint=hint
        )
    return name


def _written_name(found: Found, scope: Scope) -> Node | None:
    """The files' `name:`, the last one's: all else may depend on it."""
    last = None
    for path in found.files:
        for document in scope.documents(path):
            node = document.get("name")
            if node is not None and node.tag != "reset":
                last = text(resolved(node, scope), "name", scope.context())
    return last


def _profiles(asked: Asked, environment: dict[str, str]) -> tuple[str, ...]:
    listed = environment.get("COMPOSE_PROFILES", "").split(",")
    names = [*asked.profiles, *(name.strip() for name in listed)]
    return tuple(dict.fromkeys(name for name in names if name))


def _active(
    tree: Node, profiles: tuple[str, ...], named: tuple[str, ...]
) -> Callable[[Node], bool]:
    """Whether a service takes part: one without profiles does, and one of an active
    profile; one that is named does, with the others of its profiles."""
    services = tree.value["services"].value
    active = set(profiles)
    for name in named:
        if name in services:
            active |= _profiles_of(services[name])
    if ALL_PROFILES in active:
        return lambda service: True
    return lambda service: (
        not _profiles_of(service) or bool(_profiles_of(service) & active)
    )


def _profiles_of(service: Node) -> set[str]:
    listed = service.get("profiles")
    return {item.value for item in listed.value} if listed else set()


def _check_something(tree: Node, files: tuple[str, ...], cwd: str) -> None:
    services = tree.get("services")
    if services is None or not services.value:
        names = ", ".join(shown(path, cwd) for path in files)
        raise tree.error(f"There are no services in {names}.")


def _warn_of_version(tree: Node, warn: Callable[[str], None]) -> None:
    version = tree.get("version")
    if version is not None:
        warn(f"{version.place}: `version` is of old, and means nothing. Leave it out.")

"""The files of a project as one tree: substituted, extended, included, merged."""

from __future__ import annotations

import os

from lamina.services.compose.finding import unset
from lamina.services.compose.kinds import Context
from lamina.services.compose.merging import merge, settled
from lamina.services.compose.nodes import Node, same, way
from lamina.services.compose.reading import read_file, shown
from lamina.services.compose.schema import project
from lamina.services.compose.substitution import Unresolved, substitute
from lamina.services.compose.variables import with_files
from lamina.services.compose.yaml_reader import parse_yaml
from lamina.services.errors import ComposeError
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# How many files include or extend each other.
DEEPEST = 40
# How many are included in all, each as often as it is.
MOST_INCLUDED = 500
# Characters of all values that have variables in them.
MOST_TEXT = 32 << 20
RESOURCES = ("services", "networks", "volumes", "secrets", "configs", "models")
EMPTY = Node({})


@value
class Seen:
    """What grows while files are read: `warnings`, the `documents` of files, those that
    were `included`, variables that are `missing`, values that are `empty` unless
    another file has one, each with what to raise, and the paths of all `files`."""

    warnings: dict[str, None]
    documents: dict[str, list[Node]]
    included: list[str]
    missing: set[str]
    empty: list[tuple[Node, ComposeError]]
    files: dict[str, None]


@value
class Scope:
    """Where a file is read: `folder` is what its paths are relative to; `extended` are
    the trees of files whose services are extended; `inside` the files that include each
    other down to here. Messages name files from `cwd` on."""

    cwd: str
    folder: str
    environment: Mapping[str, str]
    seen: Seen
    extended: dict[str, Node]
    inside: tuple[str, ...] = ()

    def warn(self, message: str) -> None:
        """Tell something once."""
        self.seen.warnings.setdefault(message)

    def context(self) -> Context:
        return Context(self.folder, self.environment, self.warn, self.seen.empty)

    def documents(self, path: str) -> list[Node]:
        """What a file holds, read once."""
        known = self.seen.documents
        if path not in known:
            self.seen.files[path] = None
            data = read_file(path, "compose file")
            known[path] = parse_yaml(shown(path, self.cwd), data)
        return known[path]


def model(files: tuple[str, ...], scope: Scope) -> Node:
    """The merged tree of files. Raises ComposeError."""
    merged = EMPTY
    for path in files:
        for document in scope.documents(path):
            tree = canonical(document, scope)
            tree = _extended(tree, path, scope)
            tree = _included(tree, path, scope)
            merged = merge(merged, tree) if merged is not EMPTY else settled(tree)
    return _with_contexts(merged, scope.folder)


def _with_contexts(tree: Node, folder: str) -> Node:
    """The tree with each build's context: the project's folder where none is given."""
    services = tree.get("services")
    if services is None or not isinstance(services.value, dict):
        return tree
    found = dict(services.value)
    for name, service in services.value.items():
        build = service.get("build")
        if isinstance(getattr(build, "value", None), dict) and (
            "context" not in build.value
        ):
            whole = build.holding({**build.value, "context": build.like(folder)})
            found[name] = service.holding({**service.value, "build": whole})
    return tree.holding({**tree.value, "services": services.holding(found)})


def canonical(document: Node, scope: Scope) -> Node:
    """A document with its variables resolved, checked, and written out in full."""
    if not isinstance(document.value, dict):
        raise document.error("A compose file is a mapping with the key `services`.")
    return project(resolved(document, scope), "", scope.context())


def resolved(node: Node, scope: Scope) -> Node:
    """A tree with the variables in its values resolved. Keys stay as they are."""

    length = 0

    def walk(at: Node) -> Node:
        inner = at.value
        if type(inner) is str:
            return replace(at, value=here(at, inner)) if "$" in inner else at
        if type(inner) is dict:
            return at.holding({key: walk(item) for key, item in inner.items()})
        if type(inner) is list:
            return at.holding([walk(item) for item in inner])
        return at

    def here(at: Node, text: str) -> str:
        nonlocal length

        def missing(name: str) -> None:
            if name not in scope.seen.missing:
                scope.seen.missing.add(name)
                scope.warn(f"{at.place}: {unset(name)}")

        try:
            found = substitute(text, scope.environment.get, missing)
        except Unresolved as error:
            raise at.error(error.message, hint=error.hint) from None
        length += len(found)
        if length > MOST_TEXT:
            raise at.error("With its variables the file gets too long.")
        return found

    return walk(node)


# Extending


def _extended(tree: Node, path: str, scope: Scope) -> Node:
    services = tree.get("services")
    if services is None or services.value is None:
        return tree
    if not any(service.get("extends") for service in services.value.values()):
        return tree
    extended = {
        name: service
        if service.tag == "reset"
        else _whole_service(name, (tree, path, scope), ())
        for name, service in services.value.items()
    }
    return tree.holding({**tree.value, "services": services.holding(extended)})


def _whole_service(
    name: str, where: tuple[Node, str, Scope], chain: tuple[tuple[str, str], ...]
) -> Node:
    """A service of a tree, over those that it extends."""
    tree, path, scope = where
    service = tree.value["services"].value[name]
    extends = service.get("extends")
    if extends is None or extends.value is None or extends.tag == "reset":
        return _without(service, "extends")
    step = (path, name)
    if len(chain) > DEEPEST:
        raise extends.error(f"More than {DEEPEST} services extend each other.")
    if step in chain:
        names = [said for _, said in (*chain[chain.index(step) :], step)]
        raise extends.error(f"Services extend each other in a circle: {way(names)}.")
    base_name = extends.value["service"].value
    file = extends.get("file")
    if file is not None:
        where = where if file.value == path else _other_file(file, scope)
    known = where[0].get("services", base_name)
    if known is None or known.tag == "reset":
        there = f" in {shown(file.value, scope.cwd)}" if file is not None else ""
        raise extends.value["service"].error(
            f"There is no service {base_name!r}{there} to extend."
        )
    base = _whole_service(base_name, where, (*chain, step))
    own = _without(service, "extends")
    at = ("services", name)
    merged = merge(settled(base, at), own, at)
    # Its own tags have done their work on the base, and still have to on other files.
    tagged = {key: item for key, item in own.value.items() if item.tag}
    return replace(merged, value={**merged.value, **tagged}, tag=own.tag)


def _without(service: Node, key: str) -> Node:
    if not isinstance(service.value, dict) or key not in service.value:
        return service
    kept = {name: item for name, item in service.value.items() if name != key}
    return service.holding(kept)


def _other_file(file: Node, scope: Scope) -> tuple[Node, str, Scope]:
    """The tree of a file that is named in `extends`, whose paths are its own."""
    other = file.value
    inner = replace(scope, folder=os.path.dirname(other))
    if other not in scope.extended:
        tree = EMPTY
        try:
            for document in inner.documents(other):
                tree = _joined(tree, canonical(document, inner))
        except ComposeError as error:
            raise error if error.place else file.error(error.message) from None
        scope.extended[other] = tree
    return scope.extended[other], other, inner


def _joined(tree: Node, more: Node) -> Node:
    """Two documents of one file; what they extend is looked for in both."""
    return more if tree is EMPTY else merge(tree, more)


# Including


def _included(tree: Node, path: str, scope: Scope) -> Node:
    include = tree.get("include")
    if include is None or include.value is None:
        return tree if include is None or not include.tag else _without(tree, "include")
    inside = (*scope.inside, path)
    if len(inside) > DEEPEST:
        raise include.error(f"More than {DEEPEST} files include each other.")
    base = EMPTY
    for entry in include.value:
        found = _included_model(entry, inside, scope)
        base = found if base is EMPTY else _imported(base, found, entry)
    own = _without(tree, "include")
    if base is EMPTY:
        return own
    return _imported(own, base, include, over=True)


def _included_model(entry: Node, inside: tuple[str, ...], scope: Scope) -> Node:
    paths = [item.value for item in entry.value["path"].value]
    scope.seen.included.extend(paths)
    if len(scope.seen.included) > MOST_INCLUDED:
        raise entry.error(f"More than {MOST_INCLUDED} files are included.")
    for given, item in zip(paths, entry.value["path"].value, strict=True):
        if given in inside:
            names = (*inside[inside.index(given) :], given)
            circle = way([shown(name, scope.cwd) for name in names])
            raise item.error(f"Files include each other in a circle: {circle}.")
    if not paths:
        raise entry.error("An include names at least one file.")
    directory = entry.get("project_directory")
    folder = directory.value if directory else os.path.dirname(paths[0])
    listed = entry.get("env_file")
    files = [item.value for item in listed.value] if listed else []
    if not files:
        own = os.path.join(folder, ".env")
        files = [own] if os.path.isfile(own) else []
    try:
        environment = with_files(
            scope.environment, files, scope.cwd, lambda name: scope.warn(unset(name))
        )
        inner = replace(
            scope, folder=folder, environment=environment, extended={}, inside=inside
        )
        found = model(tuple(paths), inner)
    except ComposeError as error:
        raise error if error.place else entry.error(error.message) from None
    kept = {key: item for key, item in found.value.items() if key in RESOURCES}
    return found.holding(kept)


def _imported(to: Node, found: Node, entry: Node, over: bool = False) -> Node:
    """The resources of an included model beside those of a tree. What both have must be
    the same, unless the tree's says `!override` or `!reset` somewhere."""
    merged = dict(to.value)
    for section in RESOURCES:
        theirs = found.get(section)
        if theirs is None or not isinstance(theirs.value, dict):
            continue
        ours = to.get(section)
        if ours is None or not isinstance(ours.value, dict):
            merged[section] = theirs
            continue
        for name in theirs.value.keys() & ours.value.keys():
            mine = ours.value[name]
            tagged = over and _tagged(mine)
            if not tagged and not same(mine, theirs.value[name]):
                raise mine.error(
                    f"`{section}.{name}` is in an included file too, "
                    f"and differs: {theirs.value[name].place or entry.place}.",
                    hint="A file of its own (compose.override.yaml) may change it.",
                )
        merged[section] = merge(theirs, ours, (section,))
    return to.holding(merged)


def _tagged(node: Node) -> bool:
    if node.tag:
        return True
    inner = node.value
    items = inner.values() if isinstance(inner, dict) else inner
    return isinstance(inner, dict | list) and any(_tagged(item) for item in items)

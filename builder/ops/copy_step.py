"""COPY, ADD and WORKDIR: files into the changeset of a step."""

from __future__ import annotations

import contextlib
import os

from lamina.builder.errors import CopyFailed
from lamina.builder.ops.files import Arrival, Inline, Onto, copy_into, make_directory
from lamina.builder.solving.graph import CopyOp
from lamina.builder.sources.items import TreeItem
from lamina.builder.sources.reads import part_name, split_sources
from lamina.lang.quirks import SEVERAL_SOURCES, UNKNOWN_OWNER
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.snapshot import mount
from lamina.runtime.isolation.users import resolve_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.fetching.fetched import FetchedFile
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.ops.previous import Previous
    from lamina.builder.solving.graph import WorkdirOp
    from lamina.builder.solving.work import Work
    from lamina.builder.sources.items import Item
    from lamina.builder.sources.reads import Reads
    from lamina.oci.store.store import Store

_ROOT = (0, 0)


def copy_step(
    store: Store,
    reads: Reads,
    work: Work,
    lowers: tuple[str, ...],
    upper: str,
    inputs: BuildInputs,
) -> int:
    """Copy or add; since when the new files count as new (ns): see `pack.Times`."""
    operation = work.step.operation
    assert isinstance(operation, CopyOp)
    with _view(() if operation.is_detached else lowers) as parent:
        arrival = Arrival(
            operation.dest,
            _owner(parent, operation.chown, UNKNOWN_OWNER.name in operation.quirks),
            operation.chmod,
            SEVERAL_SOURCES.name in operation.quirks,
        )
        # A linked layer knows nothing of its parent but who a name is.
        onto = Onto((), None, upper) if operation.link else Onto(lowers, parent, upper)
        items = (*_sources(reads, work, operation), *_inline(operation))
        if operation.add:
            from lamina.builder.fetching.unpacking import Unpacking
            from lamina.builder.ops.add import add_into

            rule = Unpacking(operation.unpack, inputs.unpack_limit)
            add_into(items, onto, arrival, rule)
        else:
            with _previous(store, work, inputs, items) as previous:
                copy_into(items, onto.view, upper, arrival, previous=previous)
    return _since(store, work, operation)


@contextlib.contextmanager
def _previous(
    store: Store, work: Work, inputs: BuildInputs, items: tuple[object, ...]
) -> Iterator[Previous | None]:
    """The layer that this COPY made before, for what is as it was; None for single
    files, and for builds that change files after they are copied."""
    if inputs.scrub or not any(isinstance(item, TreeItem) for item in items):
        yield None
        return
    from lamina.builder.ops.previous import Previous

    assert isinstance(work.step.operation, CopyOp)
    previous = Previous(store, work.step.operation, inputs.context)
    try:
        yield previous
    finally:
        previous.close()
    previous.remember(work.key)


def workdir_step(
    work: Work, operation: WorkdirOp, lowers: tuple[str, ...], upper: str
) -> None:
    """`mkdir -p`; what is made belongs to the current user."""
    with _view(lowers) as view:
        owner = _ROOT
        if operation.user and view is not None:
            lenient = UNKNOWN_OWNER.name in operation.quirks
            owner = _resolved(view, operation.user, lenient)
        make_directory(view, upper, Arrival(f"{operation.path}/", owner))


def _sources(
    reads: Reads, work: Work, operation: CopyOp
) -> tuple[Item | FetchedFile, ...]:
    """All that is copied, in the order of the sources."""
    items: list[Item | FetchedFile] = []
    parts = split_sources(operation)
    for number, part in enumerate(parts):
        if isinstance(part, str):
            items += reads.fetched(part, operation)
        else:
            name = part_name(parts, number, "files")
            items += reads.as_keyed(work, name, part, operation.origin).items
    return tuple(items)


def _inline(operation: CopyOp) -> tuple[Inline, ...]:
    return tuple(Inline(file.name, file.body.encode()) for file in operation.inline)


@contextlib.contextmanager
def _view(lowers: tuple[str, ...]) -> Iterator[int | None]:
    """The layers below as one read-only root; None where there is none."""
    if not lowers:
        yield None
        return
    root = mount(lowers)
    try:
        yield root
    finally:
        os.close(root)


def _owner(view: int | None, text: str, lenient: bool) -> tuple[int, int] | None:
    """`--chown`: names are those of the root, a number alone is both ids.

    BuildKit makes an unknown name 0 (`lenient`); here it is an error, as its
    documentation says.
    """
    if not text:
        return None
    user, colon, group = text.partition(":")
    if user.isdecimal() and not colon:
        text, group, colon = f"{user}:{user}", user, ":"
    if view is None:
        if user.isdecimal() and (group.isdecimal() or not group):
            return int(user), int(group or "0")
        if lenient:
            return _number(user), _number(group)
        raise CopyFailed(
            f"There is no user {user!r} in an empty root.",
            hint="Give numbers: --chown=1000:1000",
        )
    uid, gid = _resolved(view, text, lenient)
    return uid, 0 if colon and not group else gid


def _resolved(view: int, text: str, lenient: bool) -> tuple[int, int]:
    try:
        found = resolve_user(view, text)
    except ContainerError:
        if not lenient:
            raise
        user, colon, group = text.partition(":")
        uid, gid = _known(view, user)
        return uid, _known(view, f"0:{group}")[1] if colon else gid
    return found.uid, found.gid


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _known(view: int, text: str) -> tuple[int, int]:
    """The ids, both 0 when the root does not know the name."""
    try:
        found = resolve_user(view, text)
    except ContainerError:
        return _ROOT
    return found.uid, found.gid


def _since(store: Store, work: Work, operation: CopyOp) -> int:
    """Context files all follow the epoch; those of a stage that its steps wrote."""
    layers = work.origins.get(operation.origin)
    if layers is None or operation.inline:
        return 0
    return store.youngest_since(layers)

"""COPY, ADD and WORKDIR: files into the changeset of a step."""

from __future__ import annotations

import contextlib
import os

from lamina.builder.errors import CopyFailed
from lamina.builder.files import Arrival, Inline, copy_into, make_directory
from lamina.builder.reads import split_sources
from lamina.runtime.snapshot import mount
from lamina.runtime.users import resolve_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.graph import CopyOp, WorkdirOp
    from lamina.builder.reads import Reads
    from lamina.builder.selection import Item
    from lamina.builder.solver import Work
    from lamina.oci.store import Store

_ROOT = (0, 0)


def copy_step(
    store: Store,
    reads: Reads,
    work: Work,
    operation: CopyOp,
    lowers: tuple[str, ...],
    upper: str,
) -> int:
    """Copy or add; since when the new files count as new (ns): see `oci.pack.Times`."""
    with _view(lowers) as view:
        arrival = Arrival(
            operation.dest,
            _owner(view, operation.chown),
            operation.chmod,
            operation.link,
        )
        items = (*_chosen(reads, work, operation), *_inline(operation))
        if operation.add:
            from lamina.builder.add import Onto, add_into

            onto = Onto(lowers, view, upper)
            fetched = reads.fetched(operation)
            add_into((*items, *fetched), onto, arrival, operation.unpack)
        else:
            copy_into(items, view, upper, arrival)
    return _since(store, work, operation)


def workdir_step(
    work: Work, operation: WorkdirOp, lowers: tuple[str, ...], upper: str
) -> None:
    """`mkdir -p`; what is made belongs to the current user."""
    with _view(lowers) as view:
        owner = _ROOT
        if operation.user and view is not None:
            found = resolve_user(view, operation.user)
            owner = (found.uid, found.gid)
        make_directory(view, upper, Arrival(f"{operation.path}/", owner))


def _chosen(reads: Reads, work: Work, operation: CopyOp) -> tuple[Item, ...]:
    chosen, _ = split_sources(operation)
    if not chosen.sources:
        return ()
    return reads.select(chosen, operation.origin, work.origins).items


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


def _owner(view: int | None, text: str) -> tuple[int, int] | None:
    """`--chown`: names are those of the root, a number alone is both ids.

    BuildKit makes an unknown name 0; here it is an error, as its documentation says.
    """
    if not text:
        return None
    user, colon, group = text.partition(":")
    if user.isdecimal() and not colon:
        text, group, colon = f"{user}:{user}", user, ":"
    if view is None:
        if user.isdecimal() and (group.isdecimal() or not group):
            return int(user), int(group or "0")
        raise CopyFailed(
            f"There is no user {user!r} in an empty root.",
            hint="Give numbers: --chown=1000:1000",
        )
    found = resolve_user(view, text)
    return found.uid, 0 if colon and not group else found.gid


def _since(store: Store, work: Work, operation: CopyOp) -> int:
    """Context files all follow the epoch; those of a stage that its steps wrote."""
    layers = work.origins.get(operation.origin)
    if layers is None or operation.inline:
        return 0
    return store.youngest_since(layers)

"""Explain: why the cache has no result for a step.

Beside the results the store remembers which keys a step had of late, under two names:
what it does, and where it stands in its recipe. The fields of the one that is most like
the key that was looked up are the answer (wording.py); of files, a list that is kept
under the digest of all of them tells which ones changed (file_lists.py).
"""

from __future__ import annotations

import json
import time

from lamina.builder.caching import file_lists, wording
from lamina.builder.solving.graph import CACHE_ORIGIN, BaseOp, CopyOp, RunOp
from lamina.builder.sources.choice import Choice, mounted
from lamina.oci.digest import Digest
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import Graph, Step
    from lamina.builder.solving.shared import SharedCaches
    from lamina.builder.solving.work import Work
    from lamina.builder.sources.reads import Reads
    from lamina.oci.store.store import Store

    Fields = Mapping[str, Any]

# Kinds of memos: the keys that a step had, the latest first; and the base image that
# the step with a key stood on.
LAST_KEYS = "last-keys"
BASE_OF = "base-of"
# So many keys of a step are remembered, and so many changed files named.
_MOST_KEYS = 8
_MOST_NAMED = 5


@value
class _Read:
    """What a step reads: its name in the key, its digest there, and the choice of files
    from an origin."""

    name: str
    digest: str
    chosen: Choice
    origin: int


@value
class Explainer:
    """Tells why steps of one build ran, and remembers them for the next."""

    store: Store
    inputs: BuildInputs
    graph: Graph
    reads: Reads
    shared: SharedCaches

    def reasons(self, work: Work) -> tuple[str, ...]:
        """Why there is no result for `work`, a reason each."""
        operation = work.step.operation
        if self.inputs.no_cache:
            return ("--no-cache was given",)
        if work.step.stage in self.inputs.fresh_stages:
            return (f"--no-cache-filter names {work.step.stage}",)
        if isinstance(operation, RunOp) and operation.no_cache:
            return ("RUN --no-cache runs every time",)
        row = self.store.index.row(
            "SELECT created, result FROM step WHERE key=?", work.key.digest
        )
        if row is not None:
            return (_outlived(operation, *row),)
        key, old, source = "", self._nearest(work), ""
        if old is not None:
            key, fields = old
        else:
            elsewhere = self.shared.likest(work.key, work.step.name)
            if elsewhere is None:
                return ("nothing like it was built before",)
            fields, source = json.loads(elsewhere[0]), elsewhere[1]
        found = tuple(self._differences(work, key, fields)) or ("its key changed",)
        return (*found, f"compared with what {source} has") if source else found

    def remember(self, works: list[Work]) -> None:
        """Keep which keys these steps have, and which bases they stand on."""
        rows = []
        for work in works:
            key = work.key.digest
            for slot in self._slots(work.step):
                keys = [key, *(k for k in self._keys(slot) if k != key)][:_MOST_KEYS]
                rows.append((LAST_KEYS, slot, " ".join(keys).encode()))
            image = self._base_image(work.step)
            if image:
                rows.append((BASE_OF, key, image.encode()))
        now = int(time.time())
        with self.store.transaction() as run:
            run.executemany(
                "INSERT OR REPLACE INTO memo VALUES (?,?,?,?)",
                [(*row, now) for row in rows],
            )

    def keep_files(self, work: Work) -> None:
        """List the files that a step reads."""
        for read in self._read(work):
            if self.store.recall(file_lists.FILES, read.digest) is None:
                chosen = self.reads.select(read.chosen, read.origin, work.origins)
                packed = file_lists.pack(chosen)
                if packed is not None:
                    self.store.remember(file_lists.FILES, read.digest, packed)

    def _slots(self, step: Step) -> tuple[str, str]:
        """The names under which a step's keys are remembered: by what it does, and by
        its place in the recipe."""
        place, _, text = step.name.partition("] ")
        recipe = (self.inputs.context, self.inputs.recipe.name, step.platform)
        names = (("does", step.stage, text), ("stands", place.partition("/")[0]))
        return (
            Digest.of(json.dumps([*recipe, *names[0]]).encode()),
            Digest.of(json.dumps([*recipe, *names[1]]).encode()),
        )

    def _keys(self, slot: str) -> list[str]:
        return (self.store.recall(LAST_KEYS, slot) or b"").decode().split()

    def _nearest(self, work: Work) -> tuple[str, Fields] | None:
        """The key that is most like this one of those remembered, and its fields."""
        new = json.loads(work.key.fields)
        found: list[tuple[int, str, Fields]] = []
        known = [key for slot in self._slots(work.step) for key in self._keys(slot)]
        for key in dict.fromkeys(known):
            row = self.store.index.row("SELECT fields FROM step WHERE key=?", key)
            old = json.loads(row[0]) if row else {}
            if old.get("kind") == new["kind"]:
                found.append((wording.distance(old, new), key, old))
        return min(found, key=lambda each: each[0])[1:] if found else None

    def _differences(self, work: Work, key: str, old: Fields) -> Iterator[str]:
        new = json.loads(work.key.fields)
        if old["parent"] != new["parent"]:
            yield self._below(work.step, key)
        yield from self._files(work, old["reads"], new["reads"])
        yield from wording.differences(old, new)

    def _below(self, step: Step, key: str) -> str:
        """What a step stands on has changed: its name."""
        if step.parent < 0:
            return "what it stands on changed"
        parent = self.graph.steps[step.parent]
        if not isinstance(parent.operation, BaseOp):
            return f"the step below made something else: {parent.name}"
        name = parent.operation.name
        before = self.store.recall(BASE_OF, key) if key else None
        now = self._base_image(step)
        if before is None or not now:
            return f"the base {name} is another one"
        return f"the base {name} {Digest(before.decode()).short} → {Digest(now).short}"

    def _base_image(self, step: Step) -> str:
        """The ID of the image that a step stands on directly, or ""."""
        parent = self.graph.steps[step.parent] if step.parent >= 0 else None
        operation = parent.operation if parent is not None else None
        return operation.image if isinstance(operation, BaseOp) else ""

    def _files(self, work: Work, old: Fields, new: Fields) -> Iterator[str]:
        reads = {read.name: read for read in self._read(work)}
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            what = _read_name(name)
            if before is None or after is None:
                yield f"{what} {'is new' if before is None else 'is gone'}"
            elif name in reads:
                yield from self._changed_files(what, before, reads[name], work)
            else:
                yield f"{what} changed"

    def _changed_files(
        self, what: str, before: str, read: _Read, work: Work
    ) -> Iterator[str]:
        packed = self.store.recall(file_lists.FILES, before)
        packed = packed or self.shared.listing(before)
        if packed is None:
            yield f"{what} changed"
            return
        now = self.reads.select(read.chosen, read.origin, work.origins)
        old, new = file_lists.unpack(packed), file_lists.listed(now)
        found = tuple(file_lists.changes(old, new))
        yield from found[:_MOST_NAMED]
        if len(found) > _MOST_NAMED:
            yield f"and {len(found) - _MOST_NAMED} more"
        if not found:
            yield f"{what}: modes or folders changed"

    def _read(self, work: Work) -> Iterator[_Read]:
        """What a step reads from contexts, stages and images."""
        from lamina.builder.sources.reads import part_name, split_sources

        digests = json.loads(work.key.fields)["reads"]
        operation = work.step.operation
        if isinstance(operation, CopyOp):
            parts = split_sources(operation)
            for number, part in enumerate(parts):
                name = part_name(parts, number, "files")
                if not isinstance(part, str) and name in digests:
                    yield _Read(name, digests[name], part, operation.origin)
        elif isinstance(operation, RunOp):
            for mount in operation.mounts:
                name = f"mount {mount.target}"
                if mount.origin != CACHE_ORIGIN and name in digests:
                    chosen = mounted(mount.source)
                    yield _Read(name, digests[name], chosen, mount.origin)


def _outlived(operation: object, created: int, result: str) -> str:
    """Why a result that is known is not used."""
    if isinstance(operation, RunOp) and operation.max_age:
        age = time.time() - created
        if age * 1e9 >= operation.max_age:
            limit = _span(operation.max_age / 1e9)
            return f"--max-age={limit} passed: made {_span(age)} ago"
    return "its layer was removed from the store" if result else "it failed before"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"


def _read_name(name: str) -> str:
    """What is read, by its name in a key."""
    kind, _, rest = name.partition(" ")
    if kind.isdigit():  # of several parts the number
        return _read_name(rest)
    if kind == "files":
        return "what it copies"
    return {"mount": f"what is mounted at {rest}", "remote": rest}.get(kind, name)

"""Explain: why the cache has no result for a step.

Beside the results the store remembers which key a step had last, under two names: what
it does, and where it stands in its recipe. The fields of that key against those of the
one that was looked up are the answer; of files, a list of their digests that is kept
under the digest of all of them tells which ones changed.
"""

from __future__ import annotations

import json
import time
import zlib

from lamina.builder.context_read import ContextRead
from lamina.builder.graph import CONTEXT_ORIGIN, BaseOp, CopyOp, RunOp
from lamina.builder.stat_cache import unpack_record
from lamina.oci.digest import Digest
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from lamina.builder.graph import Graph, Step
    from lamina.builder.inputs import BuildInputs
    from lamina.builder.reads import Reads
    from lamina.builder.selection import Selection
    from lamina.builder.solver import Work
    from lamina.builder.tree import Entry
    from lamina.oci.store import Store

    Fields = Mapping[str, Any]

# Kinds of memos: the key that a step had last, and the files behind a digest.
LAST_KEY = "last-key"
FILES = "files-of"
# So many changed files are named, and of long values so many characters shown.
_MOST_NAMED = 5
_LONGEST = 60
# Trees with more files than this are not listed.
_MOST_FILES = 200_000
# What a file's digest is shortened to: names that differ are told, not proven.
_SHORT = 6


@value
class Explainer:
    """Tells why steps of one build ran, and remembers them for the next."""

    store: Store
    inputs: BuildInputs
    graph: Graph
    reads: Reads

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
        old = self._nearest(work)
        if old is None:
            return ("nothing like it was built before",)
        new = json.loads(work.key.fields)
        return tuple(self._differences(work, old, new)) or ("its key changed",)

    def remember(self, works: list[Work]) -> None:
        """Keep which keys these steps have, and which files they read."""
        rows = [
            (LAST_KEY, slot, work.key.digest.encode())
            for work in works
            for slot in self._slots(work.step)
        ]
        now = int(time.time())
        with self.store.transaction() as run:
            run.executemany(
                "INSERT OR REPLACE INTO memo VALUES (?,?,?,?)",
                [(*row, now) for row in rows],
            )

    def keep_files(self, work: Work) -> None:
        """List the files of the context that a step reads."""
        for _, digest, chosen in self._context_reads(work):
            if self.store.recall(FILES, digest) is None:
                files = _files_of(self.reads.select(chosen, CONTEXT_ORIGIN, {}))
                if files is not None:
                    self.store.remember(FILES, digest, _packed(files))

    def _slots(self, step: Step) -> tuple[str, str]:
        """The names under which a step's last key is remembered: by what it does, and
        by its place in the recipe."""
        place, _, text = step.name.partition("] ")
        recipe = (self.inputs.context, self.inputs.recipe.name, step.platform)
        names = (("does", step.stage, text), ("stands", place.partition("/")[0]))
        return (
            Digest.of(json.dumps([*recipe, *names[0]]).encode()),
            Digest.of(json.dumps([*recipe, *names[1]]).encode()),
        )

    def _nearest(self, work: Work) -> Fields | None:
        """The fields of the most like of the keys that were remembered."""
        new = json.loads(work.key.fields)
        found: list[tuple[int, Fields]] = []
        for slot in self._slots(work.step):
            key = self.store.recall(LAST_KEY, slot)
            row = key and self.store.index.row(
                "SELECT fields FROM step WHERE key=?", key.decode()
            )
            if row:
                old = json.loads(row[0])
                if old["kind"] == new["kind"]:
                    found.append((_distance(old, new), old))
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def _differences(self, work: Work, old: Fields, new: Fields) -> Iterator[str]:
        if old["version"] != new["version"]:
            yield "this Lamina keeps its results under other keys"
        if old.get("platform") != new.get("platform"):
            yield _changed("platform", old.get("platform"), new.get("platform"))
        if old["parent"] != new["parent"]:
            yield self._below(work.step)
        yield from _named("ENV", old.get("env", {}), new.get("env", {}))
        yield from self._files(work, old["reads"], new["reads"])
        told = ("version", "platform", "parent", "env", "reads", "kind")
        for name in sorted(old.keys() | new.keys()):
            if name not in told and old.get(name) != new.get(name):
                yield from _field(name, old.get(name), new.get(name))

    def _below(self, step: Step) -> str:
        """What a step stands on has changed: its name."""
        if step.parent < 0:
            return "what it stands on changed"
        parent = self.graph.steps[step.parent]
        if isinstance(parent.operation, BaseOp):
            return f"the base {parent.operation.name} is another one"
        return f"the step below made something else: {parent.name}"

    def _files(self, work: Work, old: Fields, new: Fields) -> Iterator[str]:
        listed = {name: chosen for name, _, chosen in self._context_reads(work)}
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            what = _read_name(name)
            if before is None or after is None:
                yield f"{what} {'is new' if before is None else 'is gone'}"
            elif name in listed:
                yield from self._changed_files(what, before, listed[name])
            else:
                yield f"{what} changed"

    def _changed_files(
        self, what: str, before: str, chosen: ContextRead
    ) -> Iterator[str]:
        packed = self.store.recall(FILES, before)
        now = _files_of(self.reads.select(chosen, CONTEXT_ORIGIN, {}))
        if packed is None or now is None:
            yield f"{what} changed"
            return
        found = tuple(_named_files(_unpacked(packed), now))
        yield from found[:_MOST_NAMED]
        if len(found) > _MOST_NAMED:
            yield f"and {len(found) - _MOST_NAMED} more"
        if not found:
            yield f"{what}: modes or folders changed"

    def _context_reads(self, work: Work) -> Iterator[tuple[str, str, ContextRead]]:
        """What a step reads of the context: its name in the key, digest and choice."""
        from lamina.builder.reads import split_sources

        digests = json.loads(work.key.fields)["reads"]
        operation = work.step.operation
        if isinstance(operation, CopyOp) and operation.origin == CONTEXT_ORIGIN:
            parts = split_sources(operation)
            for number, part in enumerate(parts):
                name = f"{number} files" if len(parts) > 1 else "files"
                if not isinstance(part, str) and name in digests:
                    yield name, digests[name], part
        elif isinstance(operation, RunOp):
            for mount in operation.mounts:
                name = f"mount {mount.target}"
                if mount.origin == CONTEXT_ORIGIN and name in digests:
                    yield name, digests[name], _whole(mount.source or ".")


def _whole(path: str) -> ContextRead:
    return ContextRead((path,), (), False)


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


def _distance(old: Fields, new: Fields) -> int:
    return sum(old.get(name) != new.get(name) for name in old.keys() | new.keys())


def _named(what: str, old: Fields, new: Fields) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield _changed(f"{what} {name}", old.get(name), new.get(name))


def _field(name: str, old: Any, new: Any) -> Iterator[str]:
    if name == "args":
        yield _changed("the command", _command(old), _command(new))
    elif name in ("scripts", "inline"):
        for file in sorted((old or {}).keys() | (new or {}).keys()):
            if (old or {}).get(file) != (new or {}).get(file):
                yield f"the text of <<{file} changed"
    else:
        yield _changed(f"--{name}" if name != "dest" else "the target", old, new)


def _command(args: Any) -> str:
    """A command as it was written: that of a shell without the shell."""
    if args and len(args) == 3 and args[1] == "-c":
        return str(args[2])
    return " ".join(args or ())


def _changed(what: str, old: Any, new: Any) -> str:
    if old is None:
        return f"{what} {_shown(new)} is new"
    if new is None:
        return f"{what} is gone"
    return f"{what} {_shown(old)} → {_shown(new)}"


def _shown(given: Any) -> str:
    text = given if isinstance(given, str) else json.dumps(given)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _read_name(name: str) -> str:
    """What is read, by its name in a key."""
    kind, _, rest = name.partition(" ")
    if kind.isdigit():  # of several parts the number
        return _read_name(rest)
    if kind == "files":
        return "what it copies"
    return {"mount": f"what is mounted at {rest}", "remote": rest}.get(kind, name)


def _files_of(selection: Selection) -> dict[str, str] | None:
    """The files of a selection by name, with short digests; None for too many."""
    from lamina.builder.selection import FileItem

    found: dict[str, str] = {}
    for item in selection.items:
        if isinstance(item, FileItem):
            found[item.entry.path] = _short(item.entry)
            continue
        for listing in item.listings:
            for entry in listing.entries():
                found[entry.path] = _short(entry)
        if len(found) > _MOST_FILES:
            return None
    return found


def _short(entry: Entry) -> str:
    """A few characters that change with a file's content and mode."""
    mode = unpack_record(entry.record)[0] & 0o7777
    return f"{entry.digest[:_SHORT].hex()}{mode:04o}"


def _named_files(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            yield f"{path} is new"
        elif path not in new:
            yield f"{path} is gone"
        elif old[path] != new[path]:
            yield f"{path} changed"


def _packed(files: Mapping[str, str]) -> bytes:
    text = "\0".join(f"{digest}{path}" for path, digest in files.items())
    return zlib.compress(text.encode(errors="surrogateescape"), 1)


def _unpacked(data: bytes) -> dict[str, str]:
    text = zlib.decompress(data).decode(errors="surrogateescape")
    width = 2 * _SHORT + 4
    return {line[width:]: line[:width] for line in text.split("\0") if line}

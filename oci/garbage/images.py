"""Images that go: those without a name, or all that are not in use."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.garbage.policy import Policy

# What is remembered of builds, bases and pulls: JSON with an "image", or its ID.
_OF_AN_IMAGE = (("id", "image"), ("id", "image_index"), ("image", "annotation"))
_BASES = ("bootstrap", "archive", "name")
_RESULT = "build"


def superfluous(
    run: sqlite3.Connection, policy: Policy, horizon: int
) -> tuple[Digest, ...]:
    """The IDs of the images and indexes that the policy lets go."""
    # What a build gave can be put together again from the build cache, in a moment: it
    # does not keep layers where there are too many. A base cannot.
    results = (_RESULT,) if policy.space is None else ()
    kept = policy.keep | _remembered(run, (*_BASES, *results))
    if not policy.all_images:
        kept |= {image for (image,) in run.execute("SELECT image FROM reference")}
    before = min(policy.images_before, horizon)
    gone = _old(run, "image_index", before, kept) if not policy.labels else []
    stays = run.execute(
        "SELECT json_extract(entry.value, '$[1]') FROM image_index, "
        "json_each(members) AS entry WHERE image_index.id NOT IN "
        "(SELECT value FROM json_each(?))",
        (json.dumps(gone),),
    )
    kept |= {image for (image,) in stays}
    gone += [
        identity
        for identity in _old(run, "image", before, kept)
        if not policy.labels or _has_labels(run, identity, policy.labels)
    ]
    return tuple(Digest(identity) for identity in gone)


def drop_images(run: sqlite3.Connection, gone: tuple[Digest, ...]) -> tuple[str, ...]:
    """Delete images and indexes; the names that they had."""
    named = run.execute("SELECT name, image FROM reference").fetchall()
    names = tuple(sorted(name for name, image in named if image in set(gone)))
    for identity in gone:
        run.execute("DELETE FROM reference WHERE image=?", (identity,))
        for column, table in _OF_AN_IMAGE:
            run.execute(f"DELETE FROM {table} WHERE {column}=?", (identity,))
    return names


def _old(
    run: sqlite3.Connection, table: str, before: int, kept: frozenset[str]
) -> list[str]:
    """Images or indexes made before then, that are not to be kept."""
    rows = run.execute(f"SELECT id FROM {table} WHERE created<? ORDER BY id", (before,))
    return [identity for (identity,) in rows.fetchall() if identity not in kept]


def _has_labels(
    run: sqlite3.Connection, identity: str, labels: tuple[str, ...]
) -> bool:
    """Whether an image's config has all of these labels."""
    row = run.execute("SELECT config FROM image WHERE id=?", (identity,)).fetchone()
    try:
        found = json.loads(bytes(row[0]))["config"]["Labels"] or {}
    except (ValueError, KeyError, TypeError):
        return False
    for label in labels:
        key, equals, given = label.partition("=")
        if key not in found or (equals and found[key] != given):
            return False
    return True


def _remembered(run: sqlite3.Connection, kinds: tuple[str, ...]) -> frozenset[str]:
    """Images without a name that are remembered by memos of these kinds."""
    found: set[str] = set()
    rows = run.execute(
        "SELECT value FROM memo WHERE kind IN (SELECT value FROM json_each(?))",
        (json.dumps(kinds),),
    )
    for (data,) in rows:
        text = bytes(data).decode("utf-8", "replace")
        if text.startswith("{"):
            with contextlib.suppress(ValueError):
                record = json.loads(text)
                found.update(image for _, image in record.get("images", ()))
        found.add(text)
    return frozenset(found)

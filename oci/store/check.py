"""check: whether everything in the store is what its name says, and mending it.

Every layer is read and made into its tar again, every config is hashed, every name is
followed. Mending only removes: what is gone can be built, loaded or
pulled again, what is wrong can't be trusted by anybody.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.oci.config_json import parse_config
from lamina.oci.digest import Digest
from lamina.oci.errors import SCARCE
from lamina.oci.files.workspace import is_dead
from lamina.oci.store.image_index import delete_index
from lamina.oci.threads import side_by_side
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Store


@value
class Fault:
    """What is wrong: with which kind of thing (a table of the index), which, how."""

    kind: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.text}"


@value
class Checked:
    """How much was read, and what is wrong with it."""

    layers: int
    images: int
    bytes: int
    faults: tuple[Fault, ...]


def check(store: Store, jobs: int = 2) -> Checked:
    """Read all of the store, `jobs` files at a time."""
    layers = [c for (c,) in store.index.rows("SELECT content FROM layer ORDER BY 1")]
    found: list[Fault | None] = []
    side_by_side(lambda each: found.append(_layer_fault(store, each)), layers, jobs)
    faults = sorted(filter(None, found), key=lambda fault: (fault.kind, fault.name))
    faults += _index_faults(store)
    faults += _image_faults(store)
    faults += _name_faults(store)
    size = store.index.row("SELECT total(bytes) FROM layer")
    images = store.index.row("SELECT count(*) FROM image")
    assert size is not None
    assert images is not None
    return Checked(len(layers), images[0], int(size[0]), tuple(faults))


def leftovers(store: Store) -> tuple[str, ...]:
    """What processes that died left behind: no fault, but it takes room."""
    tmp = f"{store.root}/tmp"
    rows = {c[7:] for (c,) in store.index.rows("SELECT content FROM layer")}
    counts = {
        "workspaces of dead processes": sum(
            is_dead(f"{tmp}/{name}") for name in os.listdir(tmp)
        ),
        "deletions not finished": len(os.listdir(f"{store.root}/trash")),
        "layers of unfinished work": sum(
            name not in rows for name in os.listdir(f"{store.root}/layers")
        ),
    }
    found = [f"{text}: {count}" for text, count in counts.items() if count]
    return tuple(found)


def repair(store: Store, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Remove what is wrong and what needs it; the faults that this can't mend."""
    left = [fault for fault in faults if fault.kind == "index"]
    for fault in faults:
        if fault.kind == "layer":
            users = store.index.rows(
                "SELECT owner FROM pin WHERE content=?", fault.name
            )
            if users:
                left.append(_in_use(fault, users[0][0]))
                continue
            store.drop_layer(fault.name)
        elif fault.kind == "pin":
            left.append(fault)
    # Images may have been sound until their layers went.
    for fault in _image_faults(store):
        store.delete_image(fault.name)
    _repair_names(store)
    return tuple(left)


def _repair_names(store: Store) -> None:
    for fault in _dangling(store):
        if fault.kind == "image_index":
            delete_index(store, fault.name)
    for fault in _name_faults(store):
        if fault.kind == "reference":
            store.index.rows("DELETE FROM reference WHERE name=?", fault.name)
        elif fault.kind == "step":
            store.index.rows("DELETE FROM step WHERE key=?", fault.name)


def _in_use(fault: Fault, owner: str) -> Fault:
    kind, _, name = owner.partition(":")
    text = f"{fault.text} The {kind} {name[:12]} stands on it: remove that first."
    return Fault(fault.kind, fault.name, text)


def _layer_fault(store: Store, content: str) -> Fault | None:
    layer = store.layer(content)
    if layer is None:
        return None
    try:
        store.layer_tar(layer.diff_id, lambda data: None)
    except LaminaError as error:
        text = error.message
    except OSError as error:
        if error.errno in SCARCE:
            raise
        text = f"It cannot be read: {error.strerror}: {error.filename!r}."
    else:
        return None
    # Collected in the meantime: nothing is wrong then.
    return None if store.layer(content) is None else Fault("layer", content, text)


def _index_faults(store: Store) -> list[Fault]:
    rows = store.index.rows("PRAGMA quick_check(5)")
    return [Fault("index", "index.sqlite", text) for (text,) in rows if text != "ok"]


def _image_faults(store: Store) -> list[Fault]:
    rows = store.index.rows(
        "SELECT id, CAST(config AS BLOB), layers, CAST(manifest AS BLOB), "
        "manifest_digest FROM image ORDER BY id"
    )
    found = []
    for identity, config, layers, manifest, digest in rows:
        text = _image_fault(store, identity, config, layers.split())
        if not text and manifest is not None and Digest.of(manifest) != digest:
            text = "Its manifest has changed."
        if text:
            found.append(Fault("image", identity, text))
    return found


def _image_fault(store: Store, identity: str, data: bytes, layers: list[str]) -> str:
    if Digest.of(data) != identity:
        return "Its config has changed."
    try:
        config: ImageConfig = parse_config(data)
    except LaminaError as error:
        return error.message
    if len(config.diff_ids) != len(layers):
        return f"It has {len(layers)} layers, its config {len(config.diff_ids)}."
    for content, diff_id in zip(layers, config.diff_ids, strict=True):
        if store.layer(content) is None:
            return f"Its layer {content[:19]} is missing."
        known = store.index.row(
            "SELECT 1 FROM diff WHERE content=? AND diff_id=?", content, diff_id
        )
        if known is None:
            return f"Its layer {content[:19]} is not known to be {diff_id[:19]}."
    return ""


def _name_faults(store: Store) -> list[Fault]:
    """Names of images that are gone, cache rows and pins of layers that are."""
    return [*_dangling(store), *_hollow_steps(store), *_missing_pins(store)]


def _dangling(store: Store) -> Iterator[Fault]:
    rows = store.index.rows(
        "SELECT name FROM reference WHERE image NOT IN "
        "(SELECT id FROM image UNION ALL SELECT id FROM image_index)"
    )
    for (name,) in rows:
        yield Fault("reference", name, "Its image is missing.")
    rows = store.index.rows(
        "SELECT image_index.id, json_extract(entry.value, '$[0]') "
        "FROM image_index, json_each(members) AS entry "
        "WHERE json_extract(entry.value, '$[1]') NOT IN (SELECT id FROM image)"
    )
    for identity, platform in rows:
        yield Fault("image_index", identity, f"Its image for {platform} is missing.")


def _hollow_steps(store: Store) -> Iterator[Fault]:
    here = {c for (c,) in store.index.rows("SELECT content FROM layer")}
    for key, layers in store.index.rows("SELECT key, layers FROM step"):
        if not here.issuperset(layers.split()):
            yield Fault("step", key, "A layer of it is missing.")


def _missing_pins(store: Store) -> Iterator[Fault]:
    rows = store.index.rows(
        "SELECT owner, content FROM pin WHERE content NOT IN "
        "(SELECT content FROM layer) ORDER BY owner"
    )
    for owner, content in rows:
        yield Fault("pin", owner, f"Its layer {content[:19]} is missing.")

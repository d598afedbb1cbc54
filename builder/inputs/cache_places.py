"""Where a shared cache lies, as `--cache-from` and `--cache-to` say it.

type=local,src=DIR or dest=DIR    an OCI image layout, a folder
type=registry,ref=NAME            a manifest in a registry; NAME alone for short

`--cache-from` takes `tag=` and `digest=` (of a layout that holds several caches) and
`mounts=false` (leave its cache mounts alone). `--cache-to` takes `mode=min|max`,
`mounts=true`, `tag=`, `compression=`, `compression-level=`, `force-compression=` and
`ignore-error=true`. BuildKit's names, as is the meaning of what it has, too.
"""

from __future__ import annotations

import os

from lamina.builder.errors import InvalidOption
from lamina.builder.inputs.fields import (
    compression_fields,
    flag_field,
    split_fields,
)
from lamina.oci.reference import parse_reference
from lamina.values import value

LOCAL, REGISTRY = "local", "registry"
MODES = ("min", "max")
_TAG = "latest"
_FROM = {LOCAL: ("src", "tag", "digest", "mounts"), REGISTRY: ("ref", "mounts")}
_WRITTEN = (
    *("mode", "mounts", "compression", "compression-level", "force-compression"),
    *("ignore-error", "image-manifest", "oci-mediatypes"),
)
_TO = {LOCAL: ("dest", "tag", *_WRITTEN), REGISTRY: ("ref", *_WRITTEN)}
_ELSEWHERE = {
    "inline": "An image is not made larger by a cache in it: a manifest of its own, "
    "type=registry,ref=NAME, is found as easily and can hold all steps.",
    "gha": "Write type=local,dest=DIR and let the action `cache` keep the folder.",
    "s3": "Write type=local,dest=DIR and copy the folder, or use a registry.",
    "azblob": "Write type=local,dest=DIR and copy the folder, or use a registry.",
}


@value
class CachePlace:
    """A folder with an OCI layout, in which `name` (a tag or a digest) is the cache; or
    the name of a manifest in a registry."""

    kind: str
    place: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind == LOCAL:
            return (
                self.place if self.name in ("", _TAG) else f"{self.place}:{self.name}"
            )
        return parse_reference(self.place).familiar()


@value
class CacheSource:
    """One `--cache-from`; with `mounts` it fills cache mounts that are empty."""

    place: CachePlace
    mounts: bool = True


@value
class CacheTarget:
    """One `--cache-to`. `mode`: "min" has the steps whose layers are in the images,
    "max" all. `compression` "" and `level` None are the usual ones; with `recompress`
    what came compressed in another way is compressed anew. `optional`: that it could
    not be written is a warning."""

    place: CachePlace
    mode: str = "min"
    mounts: bool = False
    compression: str = ""
    level: int | None = None
    recompress: bool = False
    optional: bool = False


def parse_cache_from(text: str) -> tuple[CacheSource, ...]:
    """What one `--cache-from` names: one, or names of the short form; raises
    InvalidOption."""
    return tuple(
        CacheSource(_place(fields, "src"), flag_field(fields, "mounts", True) is True)
        for fields in _parsed(text, "--cache-from", _FROM)
    )


def parse_cache_to(text: str) -> tuple[CacheTarget, ...]:
    """What one `--cache-to` names; raises InvalidOption."""
    return tuple(_target(fields) for fields in _parsed(text, "--cache-to", _TO))


def _target(fields: dict[str, str]) -> CacheTarget:
    mode = fields.get("mode", "min")
    if mode not in MODES:
        raise InvalidOption(
            f"mode={mode} is neither min nor max.",
            hint="min: the steps whose layers are in the image; max: all of them.",
        )
    for name in ("image-manifest", "oci-mediatypes"):
        if flag_field(fields, name, True) is False:
            raise InvalidOption(
                f"A cache is always an OCI image manifest; {name}=false is not known.",
                hint=f"Leave {name} out.",
            )
    compression, level = compression_fields(fields)
    place = _place(fields, "dest")
    if "@" in place.place and place.kind == REGISTRY:
        raise InvalidOption(
            f"A cache is written under a tag, not a digest: {place}.",
            hint="Write ref=REGISTRY/NAME:TAG.",
        )
    return CacheTarget(
        place,
        mode,
        flag_field(fields, "mounts", False) is True,
        compression,
        level,
        flag_field(fields, "force-compression", False) is True,
        flag_field(fields, "ignore-error", False) is True,
    )


def _parsed(
    text: str, flag: str, known: dict[str, tuple[str, ...]]
) -> list[dict[str, str]]:
    """The fields of what a flag was given; of the short form, those it stands for."""
    pairs = split_fields(text, flag)
    if all("=" not in part for part in text.split(",")):
        return [{"type": REGISTRY, "ref": name} for name, _ in pairs if name] or [{}]
    fields = {name.lower(): given for name, given in pairs}
    kind = fields.get("type", "")
    if kind in _ELSEWHERE:
        raise InvalidOption(
            f"{flag} has no type={kind}.",
            hint=_ELSEWHERE[kind],
        )
    if kind not in known:
        raise InvalidOption(
            f"The {flag} {text!r} is of no known type.",
            hint="Write type=local or type=registry, or the name of a manifest alone.",
        )
    for name in fields:
        if name not in ("type", *known[kind]):
            raise InvalidOption(
                f"The {flag} {text!r} has no {name!r}.",
                hint=f"type={kind} knows {', '.join(known[kind])}.",
            )
    return [fields]


def _place(fields: dict[str, str], folder: str) -> CachePlace:
    if fields.get("type") == LOCAL:
        given = fields.get(folder, "")
        if not given:
            raise InvalidOption(
                "type=local needs a folder.", hint=f"Write {folder}=DIR."
            )
        name = fields.get("digest") or fields.get("tag") or _TAG
        return CachePlace(LOCAL, os.path.abspath(given), name)
    given = fields.get("ref", "")
    if not given:
        raise InvalidOption(
            "type=registry needs a name.", hint="Write ref=REGISTRY/NAME:TAG."
        )
    return CachePlace(REGISTRY, str(parse_reference(given)))

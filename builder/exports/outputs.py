"""Output: where an image goes besides the store, as `-o` says it.

type=image                the store, which has it anyway; `name=` are more names
type=registry             a registry, under all of its names; as image with `push=true`
type=oci,dest=FILE        an OCI layout in a tar, or with `tar=false` as a folder
type=docker,dest=FILE     what `docker save` writes
type=tar,dest=FILE        the image's files
type=local,dest=DIR       the same, as a folder; `-o DIR` for short. Its files are the
                          caller's, as with BuildKit; owners=keep leaves them theirs
type=cacheonly            nowhere: the steps are run and remembered

`dest=-` is stdout, and what a tar without a dest means. Fields are separated as in a
line of CSV: `-o 'type=oci,"name=a:1,b:1",dest=x.tar'` has two names.
"""

from __future__ import annotations

import os

from lamina.builder.errors import InvalidOption
from lamina.builder.exports.annotations import Annotation, parse_attribute
from lamina.builder.inputs.fields import (
    compression_fields,
    flag_field,
    split_fields,
)
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES = ("image", "oci", "docker", "tar", "local", "registry", "cacheonly")
ARCHIVES = ("oci", "docker")
# What each type may say beside `type`, and annotations where there is a manifest.
_NAMED = ("name", "compression", "compression-level", "force-compression")
_FIELDS = {
    "image": ("push", "store", "unpack", *_NAMED),
    "oci": ("dest", "tar", "oci-mediatypes", "rewrite-timestamp", *_NAMED),
    "docker": ("dest", "tar", "oci-mediatypes", "rewrite-timestamp", *_NAMED),
    "tar": ("dest", "platform-split"),
    "local": ("dest", "platform-split", "owners"),
    "cacheonly": (),
}


@value
class Output:
    """One `-o`. `dest` "-" is stdout; `names` as written; `compression` "" and `level`
    None are the type's own; `split`: each platform has a folder of its own; `pushes`:
    it goes to registries, with `recompress` in layers that are compressed anew."""

    type: str
    dest: str = ""
    names: tuple[str, ...] = ()
    is_folder: bool = False
    compression: str = ""
    level: int | None = None
    docker_types: bool = False
    annotations: tuple[Annotation, ...] = ()
    split: bool | None = None
    rewrites_times: bool | None = None
    keeps_owners: bool = False
    pushes: bool = False
    recompress: bool = False

    @property
    def takes_stdout(self) -> bool:
        return self.dest == "-"


def parse_output(text: str) -> Output:
    """`type=...,dest=...`, a folder, or `-` for a tar; raises InvalidOption."""
    if text == "-":
        return Output("tar", "-")
    if "=" not in text:
        return Output("local", text)
    fields, annotations = _fields(text)
    kind = fields.pop("type", "")
    if kind == "registry":
        kind = "image"
        fields.setdefault("push", "true")
    _check_type(text, kind)
    for name in fields:
        if name not in _FIELDS[kind]:
            raise InvalidOption(
                f"The output {text!r} has no {name!r}.",
                hint=f"type={kind} knows {', '.join(_FIELDS[kind]) or 'nothing else'}.",
            )
    if annotations and kind not in ("image", *ARCHIVES):
        raise InvalidOption(
            f"An output of the type {kind} has no manifest to annotate.",
            hint="Only image, oci and docker have one.",
        )
    return _output(text, kind, fields, annotations)


def _fields(text: str) -> tuple[dict[str, str], tuple[Annotation, ...]]:
    fields: dict[str, str] = {}
    annotations = []
    for name, given in split_fields(text, "output"):
        annotation = parse_attribute(name, given)
        if annotation is not None:
            annotations.append(annotation)
        else:
            fields[name.lower()] = given
    return fields, tuple(annotations)


def _check_type(text: str, kind: str) -> None:
    if kind not in _FIELDS:
        raise InvalidOption(
            f"The output {text!r} is no known type.",
            hint="Write type=oci,dest=FILE; or image, docker, tar, local.",
        )


def _output(
    text: str, kind: str, fields: dict[str, str], annotations: tuple[Annotation, ...]
) -> Output:
    dest = fields.get("dest", "")
    is_folder = flag_field(fields, "tar", True) is False
    if kind not in ("image", "cacheonly") and not dest:
        if kind == "local" or is_folder:
            raise InvalidOption(
                f"The output {text!r} has no dest.", hint="Add dest=DIR."
            )
        dest = "-"
    if is_folder and dest == "-":
        raise InvalidOption("A folder cannot go to stdout.", hint="Add dest=DIR.")
    compression, level = compression_fields(fields)
    docker_types = flag_field(fields, "oci-mediatypes", True) is False
    if docker_types and annotations:
        raise InvalidOption(
            "Docker's media types have no annotations.",
            hint="Leave oci-mediatypes=false out.",
        )
    names = tuple(name for name in fields.get("name", "").split(",") if name)
    force = flag_field(fields, "force-compression") is True
    return Output(
        type=kind,
        dest=dest,
        names=names,
        is_folder=is_folder,
        compression=compression,
        level=level,
        docker_types=docker_types,
        annotations=annotations,
        split=flag_field(fields, "platform-split"),
        rewrites_times=flag_field(fields, "rewrite-timestamp"),
        keeps_owners=_keeps_owners(fields),
        pushes=flag_field(fields, "push") is True,
        recompress=kind == "image" and force,
    )


def _keeps_owners(fields: dict[str, str]) -> bool:
    given = fields.get("owners", "caller")
    if given not in ("caller", "keep"):
        raise InvalidOption(f"owners={given} is neither caller nor keep.")
    return given == "keep"


def check_places(outputs: Sequence[Output], epoch: int | None = None) -> None:
    """Say what could not be written in the end, before anything is built."""
    if epoch is not None and any(o.rewrites_times is False for o in outputs):
        raise InvalidOption(
            "With an epoch every new file carries it: there is nothing to leave out.",
            hint="Drop rewrite-timestamp=false.",
        )
    to_stdout = [output for output in outputs if output.takes_stdout]
    if len(to_stdout) > 1:
        raise InvalidOption("Only one output can go to stdout.")
    if to_stdout and os.isatty(1):
        raise InvalidOption(
            "Stdout is a terminal: an archive would only garble it.",
            hint="Use dest=FILE, or a pipe.",
        )
    for output in outputs:
        if output.dest and not output.takes_stdout:
            _check_place(output)


def _check_place(output: Output) -> None:
    dest = output.dest
    if output.type == "local" or output.is_folder:
        if os.path.lexists(dest) and not os.path.isdir(dest):
            raise InvalidOption(f"{dest!r} is no folder.", hint="Name another place.")
        _require_writable(dest, _nearest_folder(dest))
        return
    if os.path.isdir(dest):
        hint = " or say tar=false" if output.type in ARCHIVES else ""
        raise InvalidOption(
            f"{dest!r} is a folder, not a file.", hint=f"Name a file in it{hint}."
        )
    parent = os.path.dirname(dest) or "."
    if not os.path.isdir(parent):
        import shlex  # 5 ms, for an error

        raise InvalidOption(
            f"There is no folder {parent!r} to write {os.path.basename(dest)!r} into.",
            hint=f"`mkdir -p {shlex.quote(parent)}`",
        )
    # What is no file (a pipe, /dev/stdout) is written to where it is.
    if not os.path.lexists(dest) or os.path.isfile(dest):
        _require_writable(dest, parent)


def _nearest_folder(dest: str) -> str:
    """The first folder that is there, of those above `dest`: the others are made."""
    place = os.path.abspath(dest)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise InvalidOption(
            f"{dest!r} cannot be made: {place!r} is no folder.",
            hint="Name another place.",
        )
    return place


def _require_writable(dest: str, folder: str) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidOption(
            f"{dest!r} cannot be written: you may not write in {folder!r}.",
            hint="Name a place of your own.",
        )

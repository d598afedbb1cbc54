"""What becomes of the images of a build: their names, their files, their IDs.

`{target}` in a name or a place stands for the stage that an image comes from; where a
build gives several images it has to be there, or one would replace the other.
"""

from __future__ import annotations

from lamina.cli.building.wanted import TARGET, Made, Products
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from lamina.builder.caching.record import Built
    from lamina.builder.events import Emit
    from lamina.builder.exports.annotations import Annotation
    from lamina.builder.exports.outputs import Output
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.oci.store.store import Store


class ProductUsage(LaminaError):
    """A name or a place that several images would share."""


def add_product_flags(parser: argparse.ArgumentParser) -> None:
    """`-t`, `-o` and what else says where the images go."""
    flag = parser.add_argument
    flag("-t", "--tag", action="append", default=[], help="name the image (repeat)")
    flag("-o", "--output", action="append", default=[], metavar="DEST", help=_OUTPUT)
    flag("--load", action="store_true", help="the store has the image anyway: no-op")
    about = "send it to its registries: -o type=registry"
    flag("--push", action="store_true", help=about)
    flag(
        "--annotation",
        action="append",
        default=[],
        metavar="[PLACE:]KEY=VALUE",
        help="note something on a manifest or index (repeat)",
    )
    flag("--iidfile", metavar="FILE", help="write the image's ID to FILE")
    flag("--metadata-file", metavar="FILE", help="write digests and names as JSON")
    # It takes no value, for the context may follow it.
    squash: dict[str, Any] = {"dest": "squash", "action": "store_const", "default": ""}
    flag("--squash", "--squash=build", const="build", help=_SQUASH, **squash)
    flag("--squash=all", const="all", help="of the base's layers too", **squash)
    about = "what it is for (default: this machine)"
    flag("--platform", action="append", default=[], metavar="OS/ARCH[,...]", help=about)


_OUTPUT = (
    "type=image|registry|oci|docker|tar|local,dest=PATH, or PATH for a folder (repeat)"
)
_SQUASH = "one layer of all that the build adds"


def products(arguments: argparse.Namespace, epoch: int | None) -> Products:
    """What the flags ask for of a build with this epoch (seconds), checked before
    anything is built."""
    outputs: tuple[Output, ...] = ()
    texts = [*arguments.output, *(["type=registry"] if arguments.push else [])]
    if texts:
        from lamina.builder.exports.outputs import check_places, parse_output

        outputs = tuple(parse_output(text) for text in texts)
        check_places(outputs, epoch)
    several = arguments.all or len({t.lower() for t in arguments.target}) > 1
    found = Products(
        tuple(arguments.tag),
        outputs,
        arguments.iidfile or "",
        several,
        arguments.metadata_file or "",
        _annotations(arguments.annotation),
        len(platforms(arguments)) > 1,
    )
    for tag in (*found.tags, *(name for output in outputs for name in output.names)):
        _reference(tag, "target")
    _require_names(found)
    if found.is_index:
        _require_no_index(found)
    if several:
        _require_places(found)
    return found


def platforms(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What `--platform` names, each once, in its plain spelling; () for none."""
    given = [part for text in arguments.platform for part in text.split(",") if part]
    if not given:
        return ()
    from lamina.oci.platforms import host_platform, parse_platform

    found = (
        host_platform() if text == "local" else parse_platform(text) for text in given
    )
    return tuple(dict.fromkeys(str(platform) for platform in found))


def _annotations(given: list[str]) -> tuple[Annotation, ...]:
    if not given:
        return ()
    from lamina.builder.exports.annotations import parse_annotation

    return tuple(found for text in given for found in parse_annotation(text))


def _require_names(wanted: Products) -> None:
    for output in wanted.outputs:
        if output.pushes and not output.names and not wanted.tags:
            raise ProductUsage(
                "What is pushed needs a name.",
                hint="Give one with -t REGISTRY/NAME:TAG, or -o type=registry,name=.",
            )


def _require_no_index(wanted: Products) -> None:
    for output in wanted.outputs:
        if output.type in ("docker", "tar"):
            raise ProductUsage(
                f"An output of the type {output.type} holds one platform only.",
                hint="Write type=oci,dest=FILE or type=local,dest=DIR.",
            )


def _require_places(wanted: Products) -> None:
    for tag in wanted.tags:
        if TARGET not in tag:
            raise ProductUsage(
                f"Several images cannot all be called {tag!r}.",
                hint=f"Let the stage be a part of it: `-t {tag}-{TARGET}`.",
            )
    for output in wanted.outputs:
        if output.takes_stdout:
            raise ProductUsage(
                "Several images cannot all go to stdout.",
                hint=f"Give a place: `-o type={output.type},dest={TARGET}.tar`.",
            )
        if output.dest and TARGET not in output.dest:
            raise ProductUsage(
                f"Several images cannot all go to {output.dest!r}.",
                hint=f"Let the stage be a part of it: `{TARGET}/{output.dest}`.",
            )


def hand_out(
    store: Store,
    built: Sequence[Built],
    wanted: Products,
    epoch: int | None,
    emit: Emit,
) -> tuple[Made, ...]:
    """Name the images, and write them to where they were asked for."""
    targets: dict[str, list[Digest]] = {}
    for one in built:
        targets.setdefault(one.name, []).append(one.id)
    made = []
    for name, images in targets.items():
        identity = images[0]
        if wanted.is_index:
            from lamina.oci.store.image_index import by_platform, put_index

            identity = put_index(store, by_platform(store, images))
        references = _references(wanted, name)
        for reference in references:
            from lamina.oci.store import journal

            store.tag(reference, identity)
            journal.note_image(store.root, "tag", identity, reference.familiar())
        found = Made(name, identity, references)
        if wanted.outputs or wanted.annotations or wanted.metadata_file:
            from lamina.cli.building.exports import write_out

            found = write_out(store, found, images, wanted, epoch, emit)
        else:
            from lamina.oci.store.annotations import annotate

            annotate(store, identity, {})
        made.append(found)
    if wanted.metadata_file:
        from lamina.cli.building.exports import write_metadata

        write_metadata(wanted.metadata_file, made, several=wanted.several)
    return tuple(made)


def _references(wanted: Products, target: str) -> tuple[Reference, ...]:
    """The names of an image in the store: of `-t`, and of outputs into the store."""
    names = list(wanted.tags)
    for output in wanted.outputs:
        if output.type == "image":
            names += output.names
    return tuple(_reference(name, target) for name in dict.fromkeys(names))


def identities(made: Sequence[Made], wanted: Products) -> str:
    """The IDs as they are printed: one alone, or `TARGET ID` lines."""
    if wanted.several:
        return "\n".join(f"{one.name} {one.id}" for one in made)
    return made[0].id


def _reference(tag: str, target: str) -> Reference:
    from lamina.oci.reference import parse_reference

    return parse_reference(tag.replace(TARGET, target))

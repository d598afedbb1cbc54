"""What becomes of the images of a build: their names, their files, their IDs.

`{target}` in a name or a place stands for the stage that an image comes from; where a
build gives several images it has to be there, or one would replace the other.
"""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lamina.builder.export import Output
    from lamina.builder.record import Built
    from lamina.oci.reference import Reference
    from lamina.oci.store import Store

TARGET = "{target}"


class ProductUsage(LaminaError):
    """A name or a place that several images would share."""


@value
class Products:
    """What was asked for: `-t`, `-o` and `--iidfile`. `several`: the build was not
    asked for one image, so that each has to be told from the others."""

    tags: tuple[str, ...]
    outputs: tuple[Output, ...]
    iidfile: str
    several: bool

    @property
    def takes_stdout(self) -> bool:
        return any(output.takes_stdout for output in self.outputs)


def products(arguments: argparse.Namespace) -> Products:
    """What the flags ask for, checked before anything is built."""
    outputs: tuple[Output, ...] = ()
    if arguments.output:
        from lamina.builder.export import parse_output

        outputs = tuple(parse_output(text) for text in arguments.output)
    several = arguments.all or len({t.lower() for t in arguments.target}) > 1
    found = Products(
        tuple(arguments.tag), outputs, arguments.iidfile or "", several=several
    )
    for tag in found.tags:
        _reference(tag, "target")
    if several:
        _require_places(found)
    return found


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
    store: Store, built: Sequence[Built], wanted: Products, epoch: int | None
) -> None:
    """Name the images, and write them to where they were asked for."""
    for made in built:
        references = [_reference(tag, made.name) for tag in wanted.tags]
        for reference in references:
            store.tag(reference, made.id)
        if wanted.outputs:
            from lamina.builder.export import export

            image = store.image(made.id)
            for output in wanted.outputs:
                place = replace(output, dest=output.dest.replace(TARGET, made.name))
                export(store, image, place, references, epoch)


def identities(built: Sequence[Built], wanted: Products) -> str:
    """The IDs as they are printed: one alone, or `TARGET ID` lines."""
    if wanted.several:
        return "\n".join(f"{made.name} {made.id}" for made in built)
    return built[0].id


def _reference(tag: str, target: str) -> Reference:
    from lamina.oci.reference import parse_reference

    return parse_reference(tag.replace(TARGET, target))

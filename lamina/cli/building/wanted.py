"""What was asked of a build's images, and what came of them: values that commands pass.

`{target}` in a name or a place stands for the stage that an image comes from.
"""

from __future__ import annotations

from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.exports.annotations import Annotation
    from lamina.builder.exports.outputs import Output
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.oci.registry.session import Session

TARGET = "{target}"


@value
class Products:
    """What was asked for: `-t`, `-o`, `--annotation`, `--iidfile`, `--metadata-file`.

    `several`: the build was not asked for one image, so that each has to be told from
    the others. `is_index`: each is one image for several platforms. `registries` opens
    a session with them, for what is pushed.
    """

    tags: tuple[str, ...]
    outputs: tuple[Output, ...]
    iidfile: str
    several: bool
    metadata_file: str = ""
    annotations: tuple[Annotation, ...] = ()
    is_index: bool = False
    registries: Callable[[], Session] | None = None

    @property
    def takes_stdout(self) -> bool:
        return any(output.takes_stdout for output in self.outputs)


@value
class Made:
    """What a target gave: the ID of its image or index, and, where files were written,
    what tells of them (`--metadata-file`)."""

    name: str
    id: Digest
    references: tuple[Reference, ...] = ()
    metadata: tuple[tuple[str, object], ...] = ()


def placed(output: Output, target: str) -> Output:
    """An output with the stage's name where it says so."""
    return replace(output, dest=output.dest.replace(TARGET, target))

"""export: where an image goes besides the store, as `-o` says it.

type=oci,dest=FILE       an OCI layout in a tar        (dest=- is stdout)
type=docker,dest=FILE    a docker-archive
type=tar,dest=FILE       the image's files
type=local,dest=DIR      the same, as a folder; `-o DIR` for short
"""

from __future__ import annotations

import contextlib
import os

from lamina.builder.errors import InvalidOption
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.oci.reference import Reference
    from lamina.oci.store import Image, Store

_TYPES = ("oci", "docker", "tar", "local", "image")
# No file of an image is younger than this: all are clamped, none is replaced.
_NO_FILE_IS_NEW = 1 << 63


@value
class Output:
    """One `-o`. `dest` "-" is stdout; `epoch` (seconds) clamps the times of files."""

    type: str
    dest: str = ""

    @property
    def takes_stdout(self) -> bool:
        return self.dest == "-"


def parse_output(text: str) -> Output:
    """`type=...,dest=...`, a folder, or `-` for a tar; raises InvalidOption."""
    if text == "-":
        return Output("tar", "-")
    if "=" not in text:
        return Output("local", text)
    fields = dict(field.partition("=")[::2] for field in text.split(","))
    kind, dest = fields.pop("type", ""), fields.pop("dest", "")
    if kind not in _TYPES or fields:
        wrong = f"has no {next(iter(fields))!r}" if fields else "is no known type"
        raise InvalidOption(
            f"The output {text!r} {wrong}.",
            hint="Write type=oci|docker|tar|local,dest=PATH.",
        )
    if kind != "image" and not dest:
        if kind == "local":
            raise InvalidOption(f"The output {text!r} has no dest.")
        dest = "-"
    return Output(kind, dest)


def export(
    store: Store,
    image: Image,
    output: Output,
    references: Sequence[Reference] = (),
    epoch: int | None = None,
) -> None:
    """Write `image` to where `output` says; what is there is complete or as before."""
    if output.type == "image":
        return
    if output.type == "local":
        _to_folder(store, image, output.dest)
    elif output.type == "tar":
        with _opened(output.dest) as descriptor:
            _write_files(store, image, epoch, _writer(descriptor))
    else:
        _to_archive(store, image, output, tuple(references))


def _to_archive(
    store: Store, image: Image, output: Output, references: tuple[Reference, ...]
) -> None:
    from lamina.oci.archive_writer import TarWriter
    from lamina.oci.save import Saved, save

    docker = output.type == "docker"
    with store.workspace() as workspace, _opened(output.dest) as descriptor:
        save(
            store,
            (Saved(image, references),),
            TarWriter(descriptor, workspace.path),
            docker=docker,
            compression="none" if docker else "gzip",
        )


def _to_folder(store: Store, image: Image, folder: str) -> None:
    """Unpack the image's files into `folder`, over what is there."""
    import threading

    from lamina.oci.extract import extract

    os.makedirs(folder, exist_ok=True)
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    failures: list[BaseException] = []

    def produce() -> None:
        try:
            _write_files(store, image, None, _writer(writer))
        except BrokenPipeError:
            pass  # the other end has an error of its own
        except BaseException as error:
            failures.append(error)
        finally:
            os.close(writer)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        with open(reader, "rb") as stream:
            extract(stream.read, root, "/")
    finally:
        thread.join()
        os.close(root)
    if failures:
        raise failures[0]


def _write_files(
    store: Store, image: Image, epoch: int | None, write: Callable[[bytes], object]
) -> None:
    """The image's files as one tar, layers merged."""
    from lamina.oci.pack import Times, pack
    from lamina.runtime.snapshot import mount

    paths = tuple(store.layer_path(layer) for layer in reversed(image.layers))
    root = mount(paths)
    try:
        times = Times(epoch, _NO_FILE_IS_NEW)
        pack(f"/proc/self/fd/{root}/.", times, write, store.xattrs)
    finally:
        os.close(root)


def _writer(descriptor: int) -> Callable[[bytes], object]:
    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return write


@contextlib.contextmanager
def _opened(dest: str) -> Iterator[int]:
    """A descriptor to write to; a file gets its name when all is written."""
    from lamina.oci.archive_writer import tar_at

    if dest == "-":
        if os.isatty(1):
            raise InvalidOption(
                "Stdout is a terminal: an archive would only garble it.",
                hint="Use dest=FILE, or a pipe.",
            )
        yield 1
        return
    with tar_at(dest) as descriptor:
        yield descriptor

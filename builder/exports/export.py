"""export: an image of the store written to where an `Output` says.

What has a name afterwards is complete, or as it was before.
"""

from __future__ import annotations

import contextlib
import os

from lamina.builder.errors import InvalidOption
from lamina.builder.exports.annotations import Annotation, at, require_index
from lamina.builder.exports.outputs import Output
from lamina.oci.digest import Digest
from lamina.oci.manifest import Descriptor
from lamina.oci.platforms import platform_of
from lamina.oci.store.store import NEVER, Image, Store
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.oci.archives.save import Form, Saved, SavedIndex
    from lamina.oci.archives.writer import ArchiveWriter
    from lamina.oci.reference import Reference

    Tell = Callable[[int], object]


@value
class Product:
    """What one target gave: an image for each platform, and what they go under.

    `is_index`: they are one image for several platforms.
    """

    images: tuple[Image, ...]
    is_index: bool = False
    references: tuple[Reference, ...] = ()
    annotations: tuple[Annotation, ...] = ()


def export(
    store: Store,
    product: Product,
    output: Output,
    epoch: int | None = None,
    tell: Tell = lambda _bytes: None,
) -> Descriptor | None:
    """Write `product`; the descriptor of its manifest or index, where it has one.

    `epoch` (seconds) is the time of new files in a tar or folder; `tell` is called with
    the bytes that are written of an archive or a folder.
    """
    if output.type == "local":
        _to_folders(store, product, output, epoch, tell)
    elif output.type == "tar":
        with _opened(output.dest) as descriptor:
            image = _only(product)
            write = _writer(descriptor, output.dest, tell)
            _write_files(store, image, epoch, write)
    elif output.type in ("oci", "docker"):
        return _to_archive(store, product, output, tell)
    return None


def _only(product: Product) -> Image:
    if product.is_index:
        raise InvalidOption(
            "A tar holds the files of one platform.",
            hint="Write a folder, which has one for each: -o type=local,dest=DIR.",
        )
    return product.images[0]


def _to_archive(
    store: Store, product: Product, output: Output, tell: Tell
) -> Descriptor:
    from lamina.oci.archives.save import Form, save

    is_docker = output.type == "docker"
    if is_docker and product.is_index:
        raise InvalidOption(
            "A docker archive holds images of one platform.",
            hint="Write type=oci, which Docker with containerd's image store loads.",
        )
    compression = output.compression or ("none" if is_docker else "gzip")
    form = Form(is_docker, compression, output.level, output.docker_types)
    saved = saved_of(product)
    with store.workspace() as workspace:
        if output.is_folder:
            return _to_layout(store, saved, output.dest, form, tell)
        from lamina.oci.archives.writer import TarWriter

        with _opened(output.dest) as descriptor:
            writer: ArchiveWriter = TarWriter(descriptor, workspace.path, tell)
            return save(store, (saved,), writer, form)[0]


def _to_layout(
    store: Store, saved: Saved | SavedIndex, folder: str, form: Form, tell: Tell
) -> Descriptor:
    from lamina.oci.archives.layout_folder import layout_at
    from lamina.oci.archives.save import save

    with layout_at(folder, tell) as (writer, earlier):
        return save(store, (saved,), writer, form, earlier)[0]


def saved_of(product: Product) -> Saved | SavedIndex:
    """The product with its annotations in their places."""
    from lamina.oci.archives.save import Saved, SavedIndex

    notes = product.annotations
    images = []
    for image in product.images:
        platform = str(platform_of(image.config))
        entry = at(notes, "manifest-descriptor", platform)
        images.append(Saved(image, (), at(notes, "manifest", platform), entry))
    names = product.references
    if product.is_index:
        entry = at(notes, "index-descriptor")
        return SavedIndex(tuple(images), names, at(notes, "index"), entry)
    require_index(notes)
    (one,) = images
    return Saved(one.image, names, one.annotations, one.entry_annotations)


def _to_folders(
    store: Store, product: Product, output: Output, epoch: int | None, tell: Tell
) -> None:
    """One folder; with several platforms one for each in it, `linux_amd64/`."""
    split = product.is_index if output.split is None else output.split
    written = 0

    def counted(data: bytes) -> None:
        nonlocal written
        written += len(data)
        tell(written)

    for image in product.images:
        folder = output.dest
        if split:
            name = str(platform_of(image.config)).replace("/", "_")
            folder = f"{folder}/{name}"
        owner = None if output.keeps_owners else (os.geteuid(), os.getegid())
        _to_folder(store, image, folder, epoch, owner, counted)


def _to_folder(
    store: Store,
    image: Image,
    folder: str,
    epoch: int | None,
    owner: tuple[int, int] | None,
    counted: Callable[[bytes], None],
) -> None:
    """Unpack the image's files into `folder`, over what is there."""
    import threading

    from lamina.oci.layers.extract import Overrides, extract

    root = _folder(folder)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    failures: list[BaseException] = []

    pour = _writer(writer, folder)

    def write(data: bytes) -> None:
        pour(data)
        counted(data)

    def produce() -> None:
        try:
            _write_files(store, image, epoch, write)
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
            extract(stream.read, root, "/", Overrides(owner))
    finally:
        thread.join()
        os.close(root)
    if failures:
        raise failures[0]


def _folder(path: str) -> int:
    try:
        os.makedirs(path, exist_ok=True)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidOption(
            f"The folder {path!r} cannot be written: {error.strerror}."
        ) from error


def _write_files(
    store: Store, image: Image, epoch: int | None, write: Callable[[bytes], object]
) -> None:
    """The image's files as one tar, layers merged."""
    from lamina.oci.layers.pack import pack
    from lamina.runtime.isolation.snapshot import mount

    contents = tuple(reversed(image.layers))
    root = mount(tuple(store.layer_path(layer) for layer in contents))
    try:
        times = _MergedTimes(store, contents, epoch)
        pack(f"/proc/self/fd/{root}/.", times, write, store.xattrs)
    finally:
        os.close(root)


class _MergedTimes:
    """Times of merged layers: each file has the one that it has in its own layer."""

    def __init__(
        self, store: Store, contents: tuple[Digest, ...], epoch: int | None
    ) -> None:
        from lamina.oci.layers.pack import Times

        self._epoch = epoch
        self._layers = []
        for content in contents:
            layer = store.layer(content)
            assert layer is not None, f"{content} is mounted"
            times = None if layer.since == NEVER else Times(epoch, layer.since)
            self._layers.append((os.fsencode(store.layer_path(content)), times))

    def of(self, mtime: int, path: bytes, /) -> int:
        if self._epoch is None:
            return mtime
        for root, times in self._layers:
            if os.path.lexists(root + b"/" + path.rstrip(b"/")):
                return mtime if times is None else times.of(mtime)
        return mtime


def _writer(
    descriptor: int, dest: str, tell: Tell = lambda _bytes: None
) -> Callable[[bytes], object]:
    from lamina.oci.archives.writer import write_out

    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        write_out(descriptor, data, dest)
        written += len(data)
        tell(written)

    return write


@contextlib.contextmanager
def _opened(dest: str) -> Iterator[int]:
    """A descriptor to write to; a file gets its name when all is written."""
    from lamina.oci.archives.writer import tar_at

    if dest == "-":
        yield 1
        return
    with tar_at(dest) as descriptor:
        yield descriptor

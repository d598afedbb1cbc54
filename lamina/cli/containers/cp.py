"""`lamina cp`: files between a container and the host, or a tar on `-`."""

from __future__ import annotations

import argparse
import os
import sys

from lamina.cli.containers.finding import find, open_store
from lamina.cli.telling import warn
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.layers.extract import Overrides
    from lamina.oci.tar.trees import Wanted
    from lamina.runtime.containers.copying import End, Source

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_STREAM = "-"


def add(commands: Commands) -> None:
    """Register `cp`."""
    parser = commands.add_parser(
        "cp",
        help="Copy files between a container and the host",
        usage="lamina cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
        "       lamina cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        description="Copy files between a container, running or not, and the host. "
        "With `-` a tar goes to standard output, or comes from standard input.",
    )
    flag = parser.add_argument
    flag("-a", "--archive", action="store_true", help="keep owners and set-id bits")
    flag("-L", "--follow-link", action="store_true", help="follow SRC_PATH, if a link")
    flag("-q", "--quiet", action="store_true", help="don't say what was copied")
    flag("source", metavar="SRC")
    flag("destination", metavar="DEST")
    parser.set_defaults(call=copy)


def copy(arguments: argparse.Namespace, settings: Settings) -> int:
    """Copy; 0."""
    source, source_path = _split(arguments.source)
    destination, destination_path = _split(arguments.destination)
    if source and destination:
        raise LaminaError(
            "Copying between containers is not supported.",
            hint="`lamina cp a:/x - | lamina cp - b:/x` does it.",
        )
    if not source and not destination:
        raise LaminaError(
            "Must specify at least one container source.",
            hint="As in `lamina cp web:/etc/hosts .`.",
        )
    if not (source_path if source else destination_path):
        raise LaminaError("The path in the container is missing: it is CONTAINER:PATH.")
    # Before an ordinary user becomes root of a namespace that may lack its rights.
    host = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with open_store(settings, enter=False) as store:
        container = find(store, source or destination)
        from lamina.runtime.containers import events
        from lamina.runtime.containers.view import view

        with view(store, container, writes=bool(destination)) as root:
            if source:
                end = _inside(root, source, source_path)
                _copy_out(arguments, end, host, destination_path)
            else:
                end = _inside(root, destination, destination_path)
                _copy_in(arguments, host, source_path, end)
        events.tell(
            store.root, container, "archive-path" if source else "extract-to-dir"
        )
        return 0


def _split(text: str) -> tuple[str, str]:
    """CONTAINER and PATH; "" and a path of the host (docker/cli, splitCpArg)."""
    name, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".")):
        return "", text
    return name, path


def _inside(root: int, name: str, path: str) -> End:
    from lamina.runtime.containers.copying import End

    return End(root, f"/{path.lstrip('/')}", f"{name}:{path}", True)


def _outside(host: int, path: str) -> End:
    from lamina.runtime.containers.copying import End

    return End(host, os.path.join(os.getcwd(), path), path, False)


# Out


def _copy_out(arguments: argparse.Namespace, end: End, host: int, path: str) -> None:
    from lamina.oci.layers.extract import Overrides
    from lamina.oci.tar.trees import Wanted
    from lamina.runtime.containers import copying
    from lamina.runtime.containers.view import is_of_the_kernel

    source = copying.source(end, arguments.follow_link)
    if path == _STREAM:
        _write_tar(source, Wanted(closed=is_of_the_kernel))
        return
    # What a container calls a device, or runs with another's rights, is nothing that
    # the host shall have by chance.
    kept = Wanted(devices=False, closed=is_of_the_kernel)
    wanted = kept if arguments.archive else _without_rights(kept)
    target = _outside(host, path)
    owner = None if arguments.archive else (os.geteuid(), os.getegid())
    _transfer(arguments, source, target, wanted, Overrides(owner))


def _without_rights(wanted: Wanted) -> Wanted:
    from lamina.values import replace

    return replace(wanted, mode=0o1777, xattrs=("user.",))


def _write_tar(source: Source, wanted: Wanted) -> None:
    from lamina.runtime.containers import copying

    if os.isatty(1):
        raise LaminaError(
            "A tar is not written to a terminal.", hint="Use a pipe, or `> FILE`."
        )
    name = source.name if source.name == "." else source.found.name
    with copying.reading(source, name, wanted) as (_, pieces):
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


# In


def _copy_in(arguments: argparse.Namespace, host: int, path: str, end: End) -> None:
    from lamina.oci.layers.extract import Overrides
    from lamina.oci.tar.trees import Wanted
    from lamina.runtime.containers import copying

    if path == _STREAM:
        _read_tar(end)
        return
    source = copying.source(_outside(host, path), arguments.follow_link)
    _transfer(arguments, source, end, Wanted(), Overrides())


def _read_tar(end: End) -> None:
    """What is on standard input, compressed or not, into a directory."""
    from lamina.oci.layers.extract import Overrides
    from lamina.oci.streams.compression import open_stream
    from lamina.runtime.containers import copying

    found = copying.find(end, follow=True)
    if not found.is_directory:
        raise LaminaError(f'Destination "{end.label}" must be a directory.')
    read = open_stream(sys.stdin.buffer.read)
    copying.write(read, end, found.path, Overrides())


# Both


def _transfer(
    arguments: argparse.Namespace,
    source: Source,
    target: End,
    wanted: Wanted,
    overrides: Overrides,
) -> None:
    from lamina.cli.formats.tables import human_size
    from lamina.runtime.containers import copying

    parent, name = copying.place(source, target)
    with copying.reading(source, name, wanted) as (tar, pieces):
        copying.write(copying.Stream(pieces).read, target, parent, overrides)
    if tar.skipped:
        warn(f"devices left out: {tar.skipped}")
    # As docker: what a script copies is told nobody.
    if not arguments.quiet and os.isatty(1):
        size = human_size(tar.bytes)
        print(f"Successfully copied {size} to {target.label}", file=sys.stderr)

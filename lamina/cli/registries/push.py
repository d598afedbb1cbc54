"""`lamina push`: images of the store to registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.opened import opened
from lamina.cli.registries.session import open_session, prepare
from lamina.cli.registries.transfers import view
from lamina.errors import LaminaError
from lamina.oci.errors import NotFound
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.store import journal

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.registry.session import Session
    from lamina.oci.registry.transfers.push import PushOptions
    from lamina.oci.store.store import Store


class PushUsage(LaminaError):
    """A name that cannot be pushed to."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `push`."""
    parser = commands.add_parser(
        "push",
        help="Send an image to a registry",
        description="Send an image, or all tags of a repository, to a registry.",
    )
    flag = parser.add_argument
    flag("name", metavar="NAME[:TAG]")
    flag("-a", "--all-tags", action="store_true", help="every tag of the repository")
    flag("-q", "--quiet", action="store_true", help="print the image's name only")
    about = "of layers that the registry lacks (default: gzip)"
    flag("--compression", choices=("gzip", "zstd", "none"), default="gzip", help=about)
    about = "compress layers anew that came from a registry, too"
    flag("--force-compression", action="store_true", help=about)
    parser.set_defaults(call=push_images)


def push_images(arguments: argparse.Namespace, settings: Settings) -> int:
    """Push, and print the digest that it has at the registry."""
    from lamina.oci.registry.transfers.push import PushOptions

    reference = parse_reference(arguments.name)
    if reference.digest is not None:
        raise PushUsage("An image is pushed under a tag, not under a digest.")
    if arguments.all_tags and ":" in arguments.name.rpartition("/")[2]:
        raise PushUsage("With --all-tags a name has no tag.")
    options = PushOptions(arguments.compression, recompress=arguments.force_compression)
    with open_session(settings) as session:
        prepare(session, reference)
        with opened(settings) as store:
            for name in _names(store, reference, arguments.all_tags):
                _one(store, session, name, options, arguments.quiet)
    return 0


def _names(store: Store, reference: Reference, everything: bool) -> list[Reference]:
    here = store.references()
    if everything:
        found = [parse_reference(text) for text in sorted(here)]
        found = [name for name in found if name.name == reference.name]
    else:
        found = [reference] if str(reference) in here else []
    if not found:
        raise NotFound(
            f"There is no image {reference.familiar()!r} in the store.",
            hint="`lamina images` lists what is here; `lamina tag IMAGE "
            f"{reference.familiar()}` gives one this name.",
        )
    return found


def _one(
    store: Store,
    session: Session,
    reference: Reference,
    options: PushOptions,
    quiet: bool,
) -> None:
    from lamina.oci.registry.transfers.push import push
    from lamina.oci.registry.transfers.push_index import push_index
    from lamina.oci.store.image_index import members

    identity = store.references()[str(reference)]
    if not quiet:
        print(f"The push refers to repository [{reference.name}]", flush=True)
    shown = view(quiet)
    try:
        if members(store, identity):
            pushed = push_index(store, session, identity, reference, options, shown)
        else:
            image = store.image(identity)
            pushed = push(store, session, image, reference, options, shown)
    finally:
        shown.close()
    name = reference.familiar()
    journal.note_image(store.root, "push", name, reference.familiar_name)
    if quiet:
        print(reference)
    else:
        print(f"{reference.tag}: digest: {pushed.digest} size: {pushed.size}")

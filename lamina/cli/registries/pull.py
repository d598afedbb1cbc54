"""`lamina pull`: images from registries into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.opened import opened
from lamina.cli.registries.session import open_session, prepare
from lamina.cli.registries.transfers import view
from lamina.errors import LaminaError
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.store import journal
from lamina.values import replace

if TYPE_CHECKING:
    import argparse

    from lamina.cli.registries.transfers import View
    from lamina.cli.settings import Settings
    from lamina.oci.platforms import Platform
    from lamina.oci.registry.session import Session
    from lamina.oci.registry.transfers.pull import Pulled
    from lamina.oci.store.store import Store


class PullUsage(LaminaError):
    """Words that do not go together."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `pull`."""
    parser = commands.add_parser(
        "pull",
        help="Get an image from a registry",
        description="Get an image, or all tags of a repository, from a registry.",
    )
    flag = parser.add_argument
    flag("name", metavar="NAME[:TAG|@DIGEST]")
    flag("-a", "--all-tags", action="store_true", help="every tag of the repository")
    flag("--platform", metavar="OS/ARCH", help="of several platforms, get this one")
    flag("--all-platforms", action="store_true", help="of several platforms, all")
    flag("-q", "--quiet", action="store_true", help="print the image's name only")
    parser.set_defaults(call=pull_images)


def pull_images(arguments: argparse.Namespace, settings: Settings) -> int:
    """Pull, and print what was pulled."""
    from lamina.oci.platforms import parse_platform

    reference = parse_reference(arguments.name)
    named = arguments.name != reference.familiar_name and (
        reference.digest is not None or ":" in arguments.name.rpartition("/")[2]
    )
    if arguments.all_tags and named:
        raise PullUsage("With --all-tags a name has neither tag nor digest.")
    if arguments.all_platforms and arguments.platform:
        raise PullUsage("--platform and --all-platforms are one too many.")
    platform = parse_platform(arguments.platform) if arguments.platform else None
    everything, quiet = arguments.all_platforms, arguments.quiet
    with open_session(settings) as session:
        prepare(session, reference)
        with opened(settings) as store:
            if not arguments.all_tags:
                _one(store, session, reference, platform, everything, quiet)
                return 0
            repository = session.sources(reference)[-1]
            for tag in sorted(repository.tags()):
                tagged = replace(reference, tag=tag)
                _one(store, session, tagged, platform, everything, quiet)
    return 0


def _one(
    store: Store,
    session: Session,
    reference: Reference,
    platform: Platform | None,
    everything: bool,
    quiet: bool,
) -> None:
    if not quiet:
        name = reference.familiar_name
        if reference.digest is None:
            name = f"{reference.tag}: Pulling from {name}"
        print(name, flush=True)
    shown = view(quiet)
    try:
        pulled = fetch(store, session, reference, platform, shown, everything)
    finally:
        shown.close()
    if not quiet:
        print(f"Digest: {pulled.digest}")
        status = (
            "Downloaded newer image for" if pulled.fresh else "Image is up to date for"
        )
        print(f"Status: {status} {reference.familiar()}")
    print(reference, flush=True)


def fetch(
    store: Store,
    session: Session,
    reference: Reference,
    platform: Platform | None,
    shown: View,
    everything: bool = False,
) -> Pulled:
    """Pull an image, or those for all platforms, and give it its name."""
    from lamina.oci.registry.transfers.pull import pull, pull_all

    if everything:
        pulled = pull_all(store, session, reference, shown)
    else:
        pulled = pull(store, session, reference, platform, shown)
    if reference.digest is None:
        store.tag(reference, pulled.id)
    # As docker has it: what was pulled is known by its name.
    name = reference.familiar()
    journal.note_image(store.root, "pull", name, reference.familiar_name)
    return pulled

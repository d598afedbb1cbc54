"""`lamina bootstrap debian/bookworm`: what `FROM bootstrap:` does, from a terminal."""

from __future__ import annotations

import sys

from lamina.cli.progress.console import PROGRESS, Closing, console

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `bootstrap`."""
    parser = commands.add_parser(
        "bootstrap",
        help="Make a base image from a distribution",
        description="Make a base image from a distribution's own packages.",
    )
    flag = parser.add_argument
    flag("suite", metavar="DISTRIBUTION/SUITE", help="such as debian/bookworm")
    flag("-t", "--tag", action="append", default=[], help="name the image (repeat)")
    flag("--include", default="", metavar="PACKAGE,...", help="more packages")
    flag("--variant", default="", help="the set of packages (default: minbase)")
    flag("--mirror", default="", metavar="URL", help="not the mirror of the host's apt")
    flag("--snapshot", default="", metavar="TIME", help="as of 20260131T000000Z")
    flag("--platform", default="", help="for another machine, such as linux/arm64")
    flag("--pull", action="store_true", help="make it again if the archive moved on")
    flag("-q", "--quiet", action="store_true", help="print the image's ID only")
    flag("--progress", choices=PROGRESS, default="auto", help="how progress is shown")
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make or find the image; its ID is the last line on stdout."""
    from lamina.builder.bases.bootstrap import bootstrap_image
    from lamina.builder.bases.request import parse_bootstrap
    from lamina.cli.opened import become_root, tell_lacking
    from lamina.oci.platforms import parse_platform
    from lamina.oci.reference import parse_reference
    from lamina.oci.store.store import Store

    names = ("include", "variant", "mirror", "snapshot")
    flags = {name: getattr(arguments, name) for name in names}
    suite = arguments.suite.removeprefix("bootstrap:")
    platform = arguments.platform and str(parse_platform(arguments.platform))
    wanted = parse_bootstrap(suite, flags, platform)
    references = [parse_reference(tag) for tag in arguments.tag]
    tell_lacking(become_root(settings.root))
    store = Store.open(settings.root)
    progress = "quiet" if arguments.quiet else arguments.progress
    show = console(progress, settings.environment, sys.stderr)
    try:
        with Closing(show):
            image = bootstrap_image(store, wanted, show, again=arguments.pull)
            for reference in references:
                store.tag(reference, image.id)
    finally:
        store.close()
    print(image.id)
    return 0

"""`lamina version`: what runs here, and on what."""

from __future__ import annotations

import os
import sys

from lamina import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `version`."""
    parser = commands.add_parser(
        "version",
        help="Show the versions of Lamina, Python and the kernel",
        description="Show the versions of Lamina and of what it stands on.",
    )
    about = "json, template"
    parser.add_argument("-f", "--format", default="", metavar="TEMPLATE", help=about)
    parser.set_defaults(call=_version)


def _version(arguments: argparse.Namespace, _: Settings) -> int:
    if arguments.format:
        from lamina.cli.formats.documents import formatted

        print(formatted(_document(), arguments.format))
        return 0
    print(f"Version:   {__version__}")
    print(f"Python:    {_python()}")
    print(f"Kernel:    {os.uname().release}")
    print(f"Platform:  {_platform()}")
    return 0


def _document() -> dict[str, Any]:
    """In docker's shape, which scripts ask for; here one program is both of them."""
    system, _, architecture = _platform().partition("/")
    both = {"Version": __version__, "Os": system, "Arch": architecture}
    return {
        "Client": {**both, "PythonVersion": _python()},
        "Server": {**both, "KernelVersion": os.uname().release},
    }


def _python() -> str:
    return sys.version.split()[0]


def _platform() -> str:
    from lamina.oci.platforms import host_platform

    return str(host_platform())

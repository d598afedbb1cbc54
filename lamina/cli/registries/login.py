"""`lamina login`, `logout`: credentials for registries, kept where they are safe."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.cli.registries.session import credentials, open_session
from lamina.cli.telling import warn
from lamina.errors import LaminaError

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings

_HUB = "docker.io"
_MAX_PASSWORD = 64 << 10


class LoginUsage(LaminaError):
    """Flags that do not go together, or nobody to ask for a password."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `login` and `logout`."""
    parser = commands.add_parser(
        "login",
        help="Log in to a registry",
        description="Check credentials with a registry, and keep them.",
    )
    flag = parser.add_argument
    flag("server", nargs="?", default=_HUB, metavar="SERVER")
    about = "who logs in; asked for if it is not given"
    flag("-u", "--username", default="", metavar="USER", help=about)
    flag("-p", "--password", default=None, metavar="PASSWORD", help=_PASSWORD)
    flag("--password-stdin", action="store_true", help="read the password from stdin")
    parser.set_defaults(call=login)

    parser = commands.add_parser(
        "logout",
        help="Log out of a registry",
        description="Forget the credentials for a registry.",
    )
    parser.add_argument("server", nargs="?", default=_HUB, metavar="SERVER")
    parser.set_defaults(call=logout)


_PASSWORD = "seen by all in the list of processes: better --password-stdin"


def login(arguments: argparse.Namespace, settings: Settings) -> int:
    """Ask for what was not given, check it, keep it."""
    from lamina.oci.registry.credentials.credential import Credential
    from lamina.oci.registry.login import check

    server = _server(arguments.server)
    user, password = _given(arguments)
    credential = Credential(user, password)
    with open_session(settings) as session:
        check(session, server, credential)
    kept = credentials(settings).keep(server, credential)
    if kept.kind == "file":
        warn(
            f"The password lies in {kept.name}, encoded and not encrypted.",
            "Install a credential helper, or `pip install lamina[keyring]` where there "
            "is a keyring.",
        )
    else:
        print(f"The password is kept by {kept.name}.", file=sys.stderr)
    print("Login Succeeded")
    return 0


def logout(arguments: argparse.Namespace, settings: Settings) -> int:
    """Forget; also when there was nothing, as Docker."""
    server = _server(arguments.server)
    found = credentials(settings)
    if found.forget(server):
        print(f"Removing login credentials for {server}")
    else:
        print(f"Not logged in to {server}")
    if found.find(server) is not None:
        warn(
            f"Docker or Podman still have credentials for {server}, and Lamina reads "
            "them."
        )
    return 0


def _server(given: str) -> str:
    """The registry's name in what people write: an address, a name, a repository."""
    from lamina.oci.reference import parse_reference

    name = given.partition("://")[2] or given
    name = name.partition("/")[0]
    if name in ("index.docker.io", "registry-1.docker.io"):
        return _HUB
    if name == _HUB:
        return name
    registry = parse_reference(f"{name}/x").registry
    if registry != name:
        raise LoginUsage(
            f"{given!r} is not the name of a registry.",
            hint="Write it as in `registry.example` or `localhost:5000`.",
        )
    return registry


def _given(arguments: argparse.Namespace) -> tuple[str, str]:
    user, password = arguments.username, arguments.password
    if arguments.password_stdin:
        if password is not None:
            raise LoginUsage("--password and --password-stdin are one too many.")
        if not user:
            raise LoginUsage("--password-stdin needs --username.")
        password = _from_stdin()
    elif password is not None:
        warn(
            "Using --password via the command line is insecure: all users see it.",
            "Use --password-stdin.",
        )
    elif sys.stdin is None or not os.isatty(sys.stdin.fileno()):
        raise LoginUsage(
            "There is no terminal to ask for the password on.",
            hint="Use --username and --password-stdin.",
        )
    try:
        user = user or input("Username: ").strip()
        if password is None:
            from getpass import getpass

            password = getpass("Password: ")
    except EOFError:
        password = ""
    if not user or not password:
        raise LoginUsage("A user and a password are needed.")
    if ":" in user:
        # RFC 7617, 2: what comes after it would be taken for the password.
        raise LoginUsage(f"The user's name {user!r} has a colon, which none may have.")
    return user, password


def _from_stdin() -> str:
    """The password, all of stdin but the end of its line."""
    data = b"" if sys.stdin is None else sys.stdin.buffer.read(_MAX_PASSWORD)
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise LoginUsage("The password on stdin is not UTF-8.") from error

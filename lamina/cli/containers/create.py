"""`lamina create`, and what `run` does first: a new container from an image."""

from __future__ import annotations

import argparse

from lamina.cli.formats.amounts import RunUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Image, Store
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `create`."""
    from lamina.cli.containers.run_flags import add_container_flags

    parser = commands.add_parser(
        "create",
        help="Make a container, without starting it",
        description="Make a container from an image, and print its ID.",
        usage="lamina create [OPTIONS] IMAGE [COMMAND [ARG...]]",
        allow_abbrev=False,
        add_help=False,  # -h is the host name, as with docker
    )
    add_container_flags(parser)
    parser.set_defaults(call=_create, detach=False)


def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.cli.containers.request import options_from
    from lamina.runtime.containers import names, state

    options = options_from(arguments)
    with open_store(settings) as store:
        container = created(arguments, settings, store, options, names.new_id())
        state.save_state(store.root, container.id, state.State(state.CREATED))
        print(container.id)
        return 0


def created(
    arguments: argparse.Namespace,
    settings: Settings,
    store: Store,
    options: Options,
    identity: str,
) -> Container:
    """A new container that this process holds; raises LaminaError."""
    from lamina.cli.containers.request import overrides_from
    from lamina.runtime.containers.container import configure, create
    from lamina.runtime.containers.joining import resolved
    from lamina.runtime.errors import NoSuchContainer

    overrides = overrides_from(arguments, settings.environment)
    image = find_image(
        store,
        settings,
        arguments.image,
        arguments.pull,
        arguments.platform,
        quiet=arguments.quiet,
    )
    config = configure(image.config, overrides)
    try:
        options = resolved(store.root, options)
    except NoSuchContainer as error:
        raise RunUsage(error.message, hint=error.hint) from error
    cidfile = _open_cidfile(arguments.cidfile)
    container = create(
        store,
        image,
        arguments.image,
        arguments.name,
        config,
        options,
        identity=identity,
    )
    if cidfile is not None:
        with cidfile:
            cidfile.write(container.id)
    return container


_WHEN = ("always", "missing", "never")


def find_image(
    store: Store,
    settings: Settings,
    name: str,
    pull: str,
    platform: str,
    *,
    quiet: bool = False,
) -> Image:
    """The image to run, from the store or its registry, for `platform` ("": this
    machine's, if there are several); raises LaminaError."""
    pull = pull or _WHEN[1]
    if pull not in _WHEN:
        raise RunUsage(f"--pull is one of {', '.join(_WHEN)}, not {pull!r}.")
    if platform:
        _check_platform(platform)
    identity = None if pull == "always" else store.resolve_id(name, platform)
    if identity is not None:
        image = store.image(identity)
    else:
        from lamina.cli.registries.pulling import pull_missing

        image = pull_missing(store, settings, name, pull, platform, quiet=quiet)
    from lamina.oci.platforms import host_platform, platform_of

    if image.config.architecture != host_platform().architecture:
        from lamina.runtime.isolation.emulation import require_runnable

        require_runnable(str(platform_of(image.config)))
    return image


def _check_platform(text: str) -> None:
    from lamina.errors import LaminaError
    from lamina.oci.platforms import parse_platform

    try:
        parse_platform(text)
    except LaminaError as error:
        raise RunUsage(error.message, hint=error.hint) from error


def _open_cidfile(path: str) -> TextIO | None:
    if not path:
        return None
    try:
        return open(path, "x", encoding="ascii")
    except FileExistsError:
        raise RunUsage(
            f"The container ID file {path} is there already.",
            hint="Make sure that no container uses it, and remove it.",
        ) from None
    except OSError as error:
        raise RunUsage(f"{path} cannot be written: {error.strerror}.") from error

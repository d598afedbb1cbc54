"""What can go wrong with isolation, containers and their networks.

`exit_code` is Docker's: 125 Lamina failed, 126 the command could not be started,
127 there is no such command.
"""

from __future__ import annotations

from lamina.errors import LaminaError


class ContainerError(LaminaError):
    """A container that cannot be made, or that is not in the state for this."""

    exit_code = 125


class CommandNotFound(ContainerError):
    """The program to run does not exist in the container's root."""

    exit_code = 127


class NotExecutable(ContainerError):
    """The program exists, but the kernel or its mode does not let it run."""

    exit_code = 126


class NotPermitted(ContainerError):
    """This user or this machine may not create namespaces or mounts."""


class NoSuchContainer(ContainerError):
    """A name or id that belongs to no container."""

    exit_code = 1


class NetworkError(ContainerError):
    """A network, an address or a published port that cannot be had."""


class LimitError(ContainerError):
    """A resource limit that this machine's cgroups cannot set."""


class NoSystemd(LimitError):
    """systemd does not answer, or refuses to make a scope."""

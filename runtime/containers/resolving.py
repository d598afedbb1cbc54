"""How a container finds names: its /etc/hosts, resolv.conf and hostname."""

from __future__ import annotations

import os

from lamina.runtime.containers import endpoints, process, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.containers.uplink import Uplink

FILES = ("hosts", "resolv.conf", "hostname")


def write_files(
    root: str,
    container: Container,
    uplink: Uplink,
    linked: tuple[tuple[str, str], ...] = (),
) -> None:
    """Write them into the container's directory, where they are mounted from.

    `linked` are names and addresses of others, for /etc/hosts.
    """
    place = state.directory(root, container.id)
    for name, text in _files(container, uplink, linked).items():
        write_file(f"{place}/{name}", text)


def write_file(path: str, text: str) -> None:
    """In place, and not renamed: who has it mounted sees it, and a restart."""
    with open(path, "w", errors="surrogateescape", opener=_public) as stream:
        stream.write(text)


def _files(
    container: Container, uplink: Uplink, linked: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    from lamina.runtime.network import resolver_files as files

    hostname = process.hostname(container)
    options = container.options
    at = uplink.endpoint
    gateway = next((one.gateway for one in uplink.endpoints if one.gateway), "")
    extra = [
        files.parse_host(text, gateway if at else "127.0.0.1")
        for text in options.extra_hosts
    ]
    extra += linked
    domain = f".{options.domainname}" if options.domainname else ""
    addresses = [one.address for one in uplink.endpoints]
    addresses += [one.address6 for one in uplink.endpoints if one.address6]
    return {
        "hosts": files.hosts(f"{hostname}{domain}", addresses, extra),
        "resolv.conf": _resolv_conf(options, uplink),
        "hostname": files.hostname(hostname),
    }


def _resolv_conf(options: Options, uplink: Uplink) -> str:
    """The host's, with what `--dns`, `--dns-search` and `--dns-option` put instead."""
    from lamina.runtime.network import resolver_files as files

    text = files.host_resolv_conf()
    given = (options.dns_search, options.dns_options)
    if uplink.resolver is not None:
        from lamina.runtime.network.dns.server import ADDRESS

        text = files.with_resolver(text, ADDRESS, options.dns_options)
        return files.with_options(text, (), *given)
    if endpoints.is_networked(options.network):
        text = files.resolv_conf(text, uplink.nameservers)
    return files.with_options(text, options.dns, *given)


def _public(path: str, flags: int) -> int:
    """Readable by all in the container, whatever the caller's umask is."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    os.fchmod(descriptor, 0o644)
    return descriptor

"""A container's connection: its network namespace, its address, its published ports.

Root's containers are on the bridge (network.py); an ordinary user's each have a
helper process that speaks for them (user_network.py).
"""

from __future__ import annotations

import _thread
import os

from lamina.runtime.snapshot import needs_user_xattr
from lamina.runtime.state import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network import Endpoint
    from lamina.runtime.options import Options
    from lamina.runtime.ports import PortMapping
    from lamina.runtime.published import Published
    from lamina.runtime.state import Container
    from lamina.runtime.user_network import UserNetwork


class Uplink:
    """Open until `close`. `namespace` is a descriptor, -1 where launch makes its own.

    `watched` has a `fileno()`; when that is readable its `serve()` has work to do.
    """

    def __init__(self) -> None:
        self.namespace = -1
        self.attachment: Attachment | None = None
        self.nameservers: tuple[str, ...] = ()
        self.ports: tuple[PortMapping, ...] = ()
        self.watched: Published | UserNetwork | None = None
        self._bridged: Endpoint | None = None

    def detach_namespace(self) -> None:
        """Let go of the namespace, which the container now holds itself."""
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1

    def close(self) -> None:
        """Give back ports and address; the container's processes are gone."""
        self.detach_namespace()
        if self.watched is not None:
            self.watched.close()
            self.watched = None
        if self._bridged is not None:
            from lamina.runtime import network

            network.disconnect(network.STATE_DIR, self._bridged)
            self._bridged = None


class Connecting:
    """A connection that is being made in a thread: `result`, or `cancel`."""

    def __init__(self, name: str, options: Options) -> None:
        self._lock = _thread.allocate_lock()
        self._outcome: Uplink | BaseException = Uplink()
        # With `-P` the image says which ports; without a network nothing is done.
        self.complete = not options.publish_all
        if options.network == "default" and self.complete:
            self._lock.acquire()
            _thread.start_new_thread(self._work, (name, options))

    def _work(self, name: str, options: Options) -> None:
        try:
            self._outcome = outbound(name, published_ports(options))
        except BaseException as error:
            self._outcome = error
        finally:
            self._lock.release()

    def result(self) -> Uplink:
        """The connection; raises what went wrong."""
        with self._lock:
            if isinstance(self._outcome, BaseException):
                raise self._outcome
            return self._outcome

    def cancel(self) -> None:
        """Nobody needs it any more."""
        with self._lock:
            if isinstance(self._outcome, Uplink):
                self._outcome.close()


def connect(container: Container) -> Uplink:
    """Connect a container as its options say; raises NetworkError."""
    if container.options.network != "default":
        return Uplink()
    return outbound(container.id, wanted_ports(container))


def outbound(name: str, mappings: tuple[PortMapping, ...] = ()) -> Uplink:
    """A new namespace with a way out, for a container or for a build's steps."""
    uplink = Uplink()
    try:
        if needs_user_xattr():
            _connect_user(uplink, mappings)
        else:
            _connect_bridge(uplink, name, mappings)
    except BaseException:
        uplink.close()
        raise
    return uplink


def published_ports(options: Options) -> tuple[PortMapping, ...]:
    """The mappings of `-p`."""
    if not options.publish:
        return ()
    from lamina.runtime.ports import parse_port

    return tuple(m for text in options.publish for m in parse_port(text))


def wanted_ports(container: Container) -> tuple[PortMapping, ...]:
    """The mappings of `-p`, and with `-P` one for each exposed port that has none."""
    found = published_ports(container.options)
    if not container.options.publish_all:
        return found
    from lamina.runtime.ports import PortMapping

    have = {(mapping.container_port, mapping.protocol) for mapping in found}
    more = []
    for text in container.config.exposed_ports:
        number, _, protocol = text.partition("/")
        if number.isdecimal() and (int(number), protocol or "tcp") not in have:
            more.append(PortMapping("", 0, int(number), protocol or "tcp"))
    return (*found, *more)


def _connect_bridge(
    uplink: Uplink, name: str, mappings: tuple[PortMapping, ...]
) -> None:
    from lamina.runtime import network

    uplink.namespace = network.new_namespace()
    place = network.STATE_DIR
    endpoint = network.connect(place, uplink.namespace, name)
    uplink._bridged = endpoint
    uplink.attachment = Attachment(**endpoint.__dict__)
    if mappings:
        published = network.publish(place, endpoint, mappings)
        uplink.watched, uplink.ports = published, published.ports


def _connect_user(uplink: Uplink, mappings: tuple[PortMapping, ...]) -> None:
    from lamina.runtime import user_network
    from lamina.runtime.netns import new_namespace

    uplink.namespace = new_namespace()
    opened = user_network.attach(uplink.namespace, mappings)
    uplink.watched, uplink.ports = opened, opened.ports
    uplink.nameservers = opened.nameservers
    uplink.attachment = Attachment(**opened.endpoint.__dict__)


def etc_files(container: Container, uplink: Uplink, hostname: str) -> dict[str, str]:
    """What the container's /etc/hosts, resolv.conf and hostname say."""
    from lamina.runtime import resolver_files as files

    options = container.options
    at = uplink.attachment
    extra = [
        files.parse_host(text, at.gateway if at else "127.0.0.1")
        for text in options.extra_hosts
    ]
    return {
        "hosts": files.hosts(hostname, at.address if at else "", extra),
        "resolv.conf": _resolv_conf(container, uplink),
        "hostname": files.hostname(hostname),
    }


def _resolv_conf(container: Container, uplink: Uplink) -> str:
    """The host's, with what `--dns`, `--dns-search` and `--dns-option` put instead."""
    from lamina.runtime import resolver_files as files

    options = container.options
    text = files.host_resolv_conf()
    if options.network == "default":
        text = files.resolv_conf(text, uplink.nameservers)
    replaced = {
        "nameserver": [f"nameserver {server}" for server in options.dns],
        "search": ["search " + " ".join(options.dns_search)],
        "options": ["options " + " ".join(options.dns_options)],
    }
    given = {
        "nameserver": bool(options.dns),
        "search": bool(options.dns_search),
        "options": bool(options.dns_options),
    }
    lines = [
        line for line in text.splitlines() if not given.get(line.split(" ")[0], False)
    ]
    lines += [line for key, new in replaced.items() if given[key] for line in new]
    return "\n".join(lines) + "\n"

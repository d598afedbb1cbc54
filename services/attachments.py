"""The networks, ports and hosts of a service, as Options have them."""

from __future__ import annotations

from lamina.runtime.containers import endpoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lamina.services.wanted import Wanted

    Keys = Mapping[str, Any]

_OTHER = "container:"
_SERVICE = "service:"


def network_of(wanted: Wanted, find: Callable[[str], str]) -> dict[str, Any]:
    """The fields of Options; raises NetworkError for what is no name or address."""
    mode = wanted.service.keys.get("network_mode") or ""
    if mode:
        return {"network": mode_of(mode, find)}
    found = settings_of(wanted)
    if not found:
        return {"network": endpoints.NONE}
    return {
        "network": found[0].network,
        "networks": tuple(settings.text() for settings in found),
    }


def settings_of(wanted: Wanted) -> tuple[endpoints.Settings, ...]:
    """What a container asks of each of its networks."""
    return tuple(_endpoint(wanted, key, asked) for key, asked in _attachments(wanted))


def _attachments(wanted: Wanted) -> list[tuple[str, Keys]]:
    """The networks of a service, those of a higher priority first."""
    asked = wanted.service.keys.get("networks") or {}
    pairs = [(key, given or {}) for key, given in asked.items()]
    return sorted(pairs, key=lambda pair: (-int(pair[1].get("priority") or 0), pair[0]))


def _endpoint(wanted: Wanted, key: str, asked: Keys) -> endpoints.Settings:
    service = wanted.service
    # What `run` starts answers for nobody.
    names = () if wanted.once else (service.name, *(asked.get("aliases") or ()))
    aliases = dict.fromkeys((*names, *_linked(wanted)))
    mac = asked.get("mac_address") or service.keys.get("mac_address") or ""
    return endpoints.Settings(
        wanted.project.network(key).name,
        tuple(endpoints.check_alias(alias) for alias in aliases),
        asked.get("ipv4_address") or "",
        asked.get("ipv6_address") or "",
        endpoints.check_mac(mac),
        group=service.name if service.grouped and not wanted.once else "",
    )


def _linked(wanted: Wanted) -> list[str]:
    """What other services call this one by a link."""
    found = []
    for other in wanted.project.services:
        for text in other.keys.get("links") or ():
            name, colon, alias = text.partition(":")
            if colon and name == wanted.service.name:
                found.append(alias)
    return found


def mode_of(mode: str, find: Callable[[str], str]) -> str:
    """`service:NAME` as that service's container."""
    if mode.startswith(_SERVICE):
        return _OTHER + find(mode.removeprefix(_SERVICE))
    return mode


def port_of(one: Keys) -> str:
    """As `-p` has it."""
    host = one.get("host_ip") or ""
    host = f"[{host}]" if ":" in host else host
    published = str(one.get("published") or "")
    protocol = one.get("protocol") or "tcp"
    where = f"{host}:{published}:" if host else f"{published}:" if published else ""
    return f"{where}{one['target']}/{protocol}"


def _exposed(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"


def hosts_of(given: Any) -> tuple[str, ...]:
    """`NAME=ADDRESS` as `--add-host` has it."""
    if not isinstance(given, dict):
        return tuple(
            text.replace("=", ":", 1) if "=" in text else text
            for text in map(str, given)
        )
    found = []
    for name, where in given.items():
        found += [
            f"{name}:{one}" for one in (where if isinstance(where, list) else [where])
        ]
    return tuple(found)

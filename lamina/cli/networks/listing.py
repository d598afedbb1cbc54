"""`lamina network ls` and `inspect`."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import open_store
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.network.definitions import Definition

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_COLUMNS = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}
_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
_SHORT = 12


def add_ls(inner: Commands) -> None:
    """Register `ls`."""
    about = "List networks"
    parser = inner.add_parser(
        "ls", aliases=["list"], help=about, description=about + "."
    )
    flag = parser.add_argument
    flag("-q", "--quiet", action="store_true", help="only IDs")
    flag("--no-trunc", action="store_true", help="whole IDs")
    about = ", ".join(_FILTERS)
    flag("-f", "--filter", action="append", default=[], help=about)
    flag("--format", default="", metavar="TEMPLATE", help="table, json or a template")
    parser.set_defaults(call=_list)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.labels import parse_filters
    from lamina.cli.formats.tables import show

    filters = parse_filters(arguments.filter, _FILTERS)
    with open_store(settings) as store:
        rows = [
            row
            for row in _rows(store)
            if all(_passes(store, row, f) for f in _by(filters))
        ]
        for row in rows:
            row["ID"] = row["ID"] if arguments.no_trunc else row["ID"][:_SHORT]
            labels = sorted(row.pop("labels").items())
            row["Labels"] = ",".join(f"{key}={given}" for key, given in labels)
        if arguments.quiet and arguments.format in ("", "table"):
            for row in rows:
                print(row["ID"])
            return 0
        show(rows, _COLUMNS, arguments.format)
        return 0


def _rows(store: Store) -> list[dict[str, Any]]:
    """All networks by name, those that are there by themselves among them."""
    from lamina.runtime.network.definitions import definitions
    from lamina.runtime.network.predefined import PREDEFINED

    rows = [
        _row(name, identity, "null" if name == "none" else name, 0, {})
        for name, identity in PREDEFINED.items()
    ]
    for found in definitions(store.root):
        row = _row(found.name, found.id, "bridge", found.created, found.labels)
        row["IPv6"] = str(bool(found.layout.subnet6)).lower()
        row["Internal"] = str(found.layout.internal).lower()
        rows.append(row)
    return sorted(rows, key=lambda row: str(row["Name"]))


def _row(
    name: str, identity: str, driver: str, created: int, labels: object
) -> dict[str, Any]:
    from lamina.cli.containers.endpoint_json import moment

    return {
        "CreatedAt": moment(created).replace("T", " ").replace("Z", " +0000 UTC"),
        "Driver": driver,
        "ID": identity,
        "IPv4": "true",
        "IPv6": "false",
        "Internal": "false",
        "Name": name,
        "Scope": "local",
        "labels": labels,
    }


def _by(filters: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    kinds: dict[str, list[str]] = {}
    for key, given in filters:
        kinds.setdefault(key, []).append(given)
    return list(kinds.items())


def _passes(store: Store, row: dict[str, Any], wanted: tuple[str, list[str]]) -> bool:
    """Whether it passes one kind of filter: any of its values, of labels all."""
    from lamina.cli.formats.labels import has_label, truth
    from lamina.runtime.network.predefined import PREDEFINED

    key, given = wanted
    if key == "label":
        return all(has_label(row["labels"], text) for text in given)
    if key == "dangling":
        unused = row["Name"] not in PREDEFINED and not used_by(store, row["Name"])
        return unused in [truth(text, key) for text in given]
    if key == "type":
        kind = "builtin" if row["Name"] in PREDEFINED else "custom"
        for text in given:
            if text not in ("builtin", "custom"):
                hint = "builtin or custom."
                raise LaminaError(f"Invalid filter type={text!r}.", hint=hint)
        return kind in given
    if key == "id":
        return any(row["ID"].startswith(text) for text in given)
    if key == "name":
        return any(text in row["Name"] for text in given)
    return row[key.capitalize()] in given


def used_by(store: Store, name: str) -> list[str]:
    """The containers, running or not, that are to be on a network: their names."""
    from lamina.runtime.containers import state
    from lamina.runtime.containers.endpoints import names_of

    return [
        container.name
        for container, _ in state.containers(store.root)
        if name in names_of(container.options)
    ]


# inspect


def add_inspect(inner: Commands) -> None:
    """Register `inspect`."""
    about = "Show what networks are, as JSON"
    parser = inner.add_parser("inspect", help=about, description=about + ".")
    flag = parser.add_argument
    flag("names", metavar="NETWORK", nargs="+")
    flag("-f", "--format", default="", metavar="TEMPLATE", help="json or a template")
    flag("-v", "--verbose", action="store_true", help="as it is anyway")
    parser.set_defaults(call=_inspect)


def _inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.documents import show_each

    with open_store(settings) as store:
        return show_each(
            arguments.names, lambda name: network_json(store, name), arguments.format
        )


def network_json(store: Store, name: str) -> dict[str, Any]:
    """A network as the Engine API's `GET /networks/{id}` gives it; NoSuchNetwork."""
    from lamina.cli.containers.endpoint_json import containers_json
    from lamina.runtime.network import definitions
    from lamina.runtime.network.predefined import PREDEFINED

    for known, identity in PREDEFINED.items():
        if name == known or (len(name) >= _SHORT and identity.startswith(name)):
            return _predefined(known, identity)
    found = definitions.load(store.root, name)
    document = {
        **_document(found.name, found.id, "bridge", found.created),
        "EnableIPv6": bool(found.layout.subnet6),
        "IPAM": _ipam(_subnets(found)),
        "Internal": found.layout.internal,
        "Attachable": found.attachable,
        "Containers": containers_json(found.place),
        "Options": dict(found.options),
        "Labels": dict(found.labels),
    }
    from lamina.cli.networks.services import services_json

    services = services_json(store.root, found.place)
    return {**document, "Services": services} if services else document


def _subnets(found: Definition) -> list[dict[str, str]]:
    layout = found.layout
    four = {"Subnet": layout.subnet, "Gateway": layout.gateway}
    if layout.pool:
        four["IPRange"] = layout.pool
    config = [four]
    if layout.subnet6:
        config.append({"Subnet": layout.subnet6, "Gateway": layout.gateway6})
    return config


def _predefined(name: str, identity: str) -> dict[str, Any]:
    if name != "bridge":
        return _document(name, identity, "null" if name == "none" else name)
    from lamina.cli.containers.endpoint_json import containers_json
    from lamina.runtime.network.addresses import Subnet
    from lamina.runtime.network.network_state import STATE_DIR, network_of

    known = network_of(STATE_DIR)
    try:
        with open(f"{STATE_DIR}/subnet") as file:
            subnet = Subnet.parse(file.read().strip())
    except OSError:
        subnet = Subnet.parse(known.subnet)
    options = {"com.docker.network.bridge.name": known.bridge}
    return {
        **_document(name, identity, "bridge"),
        "IPAM": _ipam([{"Subnet": str(subnet), "Gateway": subnet.gateway}]),
        "Containers": containers_json(STATE_DIR),
        "Options": options,
    }


def _document(
    name: str, identity: str, driver: str, created: int = 0
) -> dict[str, Any]:
    """What Docker says of a network of which there is no more to say."""
    from lamina.cli.containers.endpoint_json import moment

    return {
        "Name": name,
        "Id": identity,
        "Created": moment(created),
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": _ipam([]),
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def _ipam(config: list[dict[str, str]]) -> dict[str, Any]:
    return {"Driver": "default", "Options": None, "Config": config}

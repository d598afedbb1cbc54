"""`lamina images`, `tag`, `rmi`: what is in the store, and under which names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.formats.labels import filter_pairs
from lamina.cli.formats.tables import ago, human_size, parse_time, show
from lamina.cli.images.image_list import Listed, listing, print_tree
from lamina.cli.opened import opened
from lamina.errors import LaminaError
from lamina.oci.errors import InvalidReference, NotFound
from lamina.oci.platforms import choose
from lamina.oci.reference import DEFAULT_TAG, parse_reference
from lamina.oci.store import journal
from lamina.oci.store.image_index import members, require_any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store

NONE = "<none>"
_COLUMNS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
_HEADINGS = {**_COLUMNS, "Digest": "DIGEST", "CreatedAt": "CREATED AT"}


class ImagesUsage(LaminaError):
    """A filter that does not exist."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `images`, `tag` and `rmi`."""
    parser = commands.add_parser(
        "images", help="List images", description="List the images in the store."
    )
    flag = parser.add_argument
    flag("name", nargs="?", default="", metavar="REPOSITORY[:TAG]")
    flag("-a", "--all", action="store_true", help="there are no hidden images: no-op")
    flag("-q", "--quiet", action="store_true", help="print IDs only")
    flag("-f", "--filter", action="append", default=[], help="dangling=, label=, ...")
    flag("--tree", action="store_true", help="show the platforms of each image")
    flag("--digests", action="store_true", help="show the manifests' digests")
    flag("--no-trunc", action="store_true", help="show whole IDs")
    flag("--format", default="", metavar="TEMPLATE", help="json, table, Go template")
    parser.set_defaults(call=images)

    parser = commands.add_parser(
        "tag", help="Give an image another name", description="Name an image."
    )
    parser.add_argument("source", metavar="IMAGE")
    parser.add_argument("target", metavar="NAME[:TAG]")
    parser.set_defaults(call=tag)

    parser = commands.add_parser(
        "rmi",
        help="Remove images",
        description="Take names from images; one without a name is deleted.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    about = "also if it has several names, or containers use it"
    parser.add_argument("-f", "--force", action="store_true", help=about)
    parser.add_argument("--no-prune", action="store_true", help="leave the layers")
    parser.set_defaults(call=remove)


# images


def images(arguments: argparse.Namespace, settings: Settings) -> int:
    """List images, the youngest first."""
    with opened(settings, adds=False) as store:
        wanted = _wanted(arguments, store)
        listed = [
            entry for entry in listing(store) if all(test(entry) for test in wanted)
        ]
    if arguments.tree:
        print_tree(listed)
        return 0
    if arguments.quiet and arguments.format in ("", "table"):
        ids = dict.fromkeys(entry.row.id for entry in listed)
        for identity in ids:
            print(identity if arguments.no_trunc else identity.short)
        return 0
    rows = [_image_row(entry, arguments.no_trunc) for entry in listed]
    if not arguments.digests:
        columns = _COLUMNS
    else:
        order = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
        columns = {name: _HEADINGS[name] for name in order}
    if arguments.format.startswith("table "):
        columns = _HEADINGS
    show(rows, columns, arguments.format)
    return 0


def _image_row(entry: Listed, whole: bool) -> dict[str, str]:
    row, created = entry.row, parse_time(entry.config.created)
    return {
        "Containers": "N/A",
        "CreatedAt": _moment(created),
        "CreatedSince": ago(created) if created else "N/A",
        "Digest": row.manifest_digest or NONE,
        "ID": row.id if whole else row.id.short,
        "Platforms": ", ".join(entry.platforms),
        "Repository": entry.name.familiar_name if entry.name else NONE,
        "SharedSize": "N/A",
        "Size": human_size(row.bytes),
        "Tag": (entry.name.tag if entry.name else None) or NONE,
        "UniqueSize": "N/A",
        "VirtualSize": human_size(row.bytes),
    }


def _moment(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def _wanted(
    arguments: argparse.Namespace, store: Store
) -> list[Callable[[Listed], bool]]:
    """What an image has to pass; of several references it need have one only."""
    given = list(filter_pairs(arguments.filter, _FILTERS))
    wanted = [_filter(*pair, store) for pair in given if pair[0] != "reference"]
    patterns = [value for name, value in given if name == "reference"]
    if patterns:
        wanted.append(lambda entry: any(_is_named(entry, one) for one in patterns))
    if arguments.name:
        wanted.append(lambda entry: _is_named(entry, arguments.name))
    return wanted


def _is_named(entry: Listed, pattern: str) -> bool:
    """Whether it has a name that is so when people write it, with a tag or without;
    `*` goes over no slash. Raises nothing: what is no pattern is a name."""
    if entry.name is None:
        return False
    if pattern in (entry.name.name, str(entry.name)):
        return True
    from fnmatch import fnmatchcase

    wanted = pattern.split("/")
    for name in (entry.name.familiar_name, entry.name.familiar()):
        parts = name.split("/")
        if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


_FILTERS = (
    "The filters are dangling=true, dangling=false, label=KEY[=VALUE], "
    "reference=PATTERN, before=IMAGE, since=IMAGE and until=TIME."
)


def _filter(name: str, wanted: str, store: Store) -> Callable[[Listed], bool]:
    if name == "dangling" and wanted in ("true", "false", "1", "0"):
        dangling = wanted in ("true", "1")
        return lambda entry: (entry.name is None) == dangling
    if name == "since":
        after = _created(store, wanted)
        return lambda entry: parse_time(entry.config.created) > after
    if name in ("before", "until"):
        from lamina.cli.formats.moments import moment

        until = name == "until"
        end = moment(wanted, "--filter") / 1e9 if until else _created(store, wanted)
        return lambda entry: parse_time(entry.config.created) < end
    if name == "label":
        key, given, label = wanted.partition("=")
        return lambda entry: (
            entry.config.labels.get(key) == label
            if given
            else key in entry.config.labels
        )
    raise ImagesUsage(
        f"There is no filter {f'{name}={wanted}'!r}.",
        hint=_FILTERS,
    )


def _created(store: Store, name: str) -> float:
    """When an image was made; one for several platforms as that for this machine."""
    identity = require_any(store, name)
    inside = members(store, identity)
    chosen = choose(inside) if inside else None
    return parse_time(store.image(chosen or identity).config.created)


# tag


def tag(arguments: argparse.Namespace, settings: Settings) -> int:
    """Let a name mean an image."""
    target = parse_reference(arguments.target)
    if target.tag is None or target.digest is not None:
        raise InvalidReference(
            f"{arguments.target!r} has a digest: an image's name is not given, it is.",
            hint=f"Write {target.familiar_name}:{DEFAULT_TAG}.",
        )
    with opened(settings, adds=False) as store:
        identity = require_any(store, arguments.source)
        store.tag(target, identity)
        journal.note_image(store.root, "tag", identity, target.familiar())
    return 0


# rmi


def remove(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove each image that can be removed; 1 when one could not."""
    from lamina.cli.images.removing import remove_image
    from lamina.cli.telling import print_error

    code = 0
    with opened(settings, adds=False) as store:
        for name in arguments.images:
            try:
                identity = require_any(store, name)
                untagged, deleted = remove_image(store, name, identity, arguments.force)
            except NotFound as error:
                print_error(error)
                code = 0 if arguments.force else 1
                continue
            except LaminaError as error:
                print_error(error)
                code = 1
                continue
            for reference in untagged:
                journal.note_image(store.root, "untag", identity, reference.familiar())
                print(f"Untagged: {reference.familiar()}")
            if deleted is None:
                continue
            journal.note_image(store.root, "delete", identity)
            print(f"Deleted: {deleted}")
            if not arguments.no_prune:
                from lamina.oci.garbage.collect import collect_layers

                for layer in collect_layers(store):
                    print(f"Deleted: {layer}")
    sys.stdout.flush()
    return code

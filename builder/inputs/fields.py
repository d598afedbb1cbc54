"""The fields of a flag's value: `type=oci,dest=FILE`, separated as in a line of CSV."""

from __future__ import annotations

from lamina.builder.errors import InvalidOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPRESSIONS = {"uncompressed": "none", "none": "none", "gzip": "gzip", "zstd": "zstd"}


def split_fields(text: str, what: str) -> tuple[tuple[str, str], ...]:
    """Names, without blanks around them, and what they are given; `what` calls the
    flag in an error. Raises InvalidOption."""
    import csv

    try:
        (row,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise InvalidOption(
            f"The quotes in the {what} {text!r} are not closed."
        ) from error
    pairs = (field.partition("=") for field in row)
    return tuple((name.strip(), given) for name, _, given in pairs)


def flag_field(
    fields: Mapping[str, str], name: str, default: bool | None = None
) -> bool | None:
    """A field that is true or false, as Go reads one."""
    given = fields.get(name)
    if given is None:
        return default
    if given.lower() in ("1", "t", "true", ""):
        return True
    if given.lower() in ("0", "f", "false"):
        return False
    raise InvalidOption(f"{name}={given} is neither true nor false.")


def compression_fields(fields: Mapping[str, str]) -> tuple[str, int | None]:
    """`compression` as oci/streams/compression.py calls it, "" for the type's own, and
    `compression-level`."""
    given, level = fields.get("compression", ""), fields.get("compression-level", "")
    if given == "estargz":
        raise InvalidOption(
            "Layers are not written as estargz.",
            hint="zstd gives the smaller ones, gzip those that all programs read.",
        )
    if given and given not in _COMPRESSIONS:
        raise InvalidOption(
            f"There is no compression {given!r}.",
            hint="There are gzip, zstd and uncompressed.",
        )
    compression = _COMPRESSIONS.get(given, "")
    # Said or not, every layer of an archive has the one compression.
    flag_field(fields, "force-compression")
    if not level:
        return compression, None
    from lamina.oci.streams.compression import LEVELS

    least, most = LEVELS[compression or "gzip"]
    if not level.isdecimal() or not least <= int(level) <= most:
        raise InvalidOption(
            f"The level {level} is none of {compression or 'gzip'}'s.",
            hint=f"It goes from {least} to {most}.",
        )
    return compression or "gzip", int(level)

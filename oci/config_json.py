"""The JSON of an ImageConfig, read and written.

Order of fields and escapes are BuildKit's (its exporter sorts the top level, and
writes `config` in the order of Go's types), so that equal images get equal IDs.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.oci.config import Healthcheck, History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.strict_json import (
    Object,
    broken,
    dump_json,
    flag_of,
    integer_of,
    mapping_of,
    object_of,
    objects_of,
    parse_object,
    text_of,
    texts_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHAT = "the image's config"
# fmt: off
_TOP = frozenset((
    "architecture", "os", "variant", "os.version", "created", "author", "config",
    "rootfs", "history",
))
_INNER = frozenset((
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir",
    "Labels", "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell",
))
# fmt: on
# Docker's limit is 127 layers; overlay takes 500. More is a mistake or an attack.
_MAX_LAYERS = 500


def parse_config(data: bytes) -> ImageConfig:
    """The config in `data`; null means absent, as in Go. Raises InvalidImage.

    Writing it again need not give the same bytes (others write nulls and empty
    lists), so an image's bytes are kept beside it: see Store.put_image.
    """
    top = parse_object(data, _WHAT)
    inner = object_of(top, "config", _WHAT) or {}
    return ImageConfig(
        architecture=text_of(top, "architecture", _WHAT),
        os=text_of(top, "os", _WHAT) or "linux",
        variant=text_of(top, "variant", _WHAT),
        os_version=text_of(top, "os.version", _WHAT),
        created=text_of(top, "created", _WHAT),
        author=text_of(top, "author", _WHAT),
        user=text_of(inner, "User", _WHAT),
        exposed_ports=_keys(inner, "ExposedPorts"),
        env=texts_of(inner, "Env", _WHAT) or (),
        entrypoint=_command(inner, "Entrypoint"),
        cmd=_command(inner, "Cmd"),
        volumes=_keys(inner, "Volumes"),
        working_dir=text_of(inner, "WorkingDir", _WHAT),
        labels=mapping_of(inner, "Labels", _WHAT),
        stop_signal=text_of(inner, "StopSignal", _WHAT),
        shell=_command(inner, "Shell"),
        on_build=texts_of(inner, "OnBuild", _WHAT) or (),
        args_escaped=flag_of(inner, "ArgsEscaped", _WHAT),
        healthcheck=_healthcheck(object_of(inner, "Healthcheck", _WHAT)),
        diff_ids=_diff_ids(top),
        history=tuple(_history(h) for h in objects_of(top, "history", _WHAT)),
        other={k: v for k, v in top.items() if k not in _TOP},
        other_config={k: v for k, v in inner.items() if k not in _INNER},
    )


def config_bytes(config: ImageConfig) -> bytes:
    """The config as BuildKit would write it; its digest is the image's ID."""
    fields: dict[str, Any] = {
        **config.other,
        "architecture": config.architecture,
        "config": _inner_json(config),
        "os": config.os,
        "rootfs": {"type": "layers", "diff_ids": list(config.diff_ids)},
    }
    optional = {
        "author": config.author,
        "created": config.created,
        "os.version": config.os_version,
        "variant": config.variant,
        "history": [_history_json(h) for h in config.history],
    }
    fields.update({k: v for k, v in optional.items() if v})
    return dump_json(dict(sorted(fields.items())))


def inner_json(config: ImageConfig) -> dict[str, Any]:
    """The `config` object alone, as `inspect` shows it."""
    return _inner_json(config)


def _inner_json(config: ImageConfig) -> dict[str, Any]:
    known: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in sorted(config.exposed_ports)},
        "Env": list(config.env),
        "Entrypoint": _list(config.entrypoint),
        "Cmd": _list(config.cmd),
        "Volumes": {volume: {} for volume in sorted(config.volumes)},
        "WorkingDir": config.working_dir,
        "Labels": dict(sorted(config.labels.items())),
        "StopSignal": config.stop_signal,
        "ArgsEscaped": config.args_escaped,
        "Healthcheck": _healthcheck_json(config.healthcheck),
        "OnBuild": list(config.on_build),
        "Shell": _list(config.shell),
    }
    fields = {k: v for k, v in known.items() if v or _says_nothing_runs(k, v)}
    return {**fields, **dict(sorted(config.other_config.items()))}


def _says_nothing_runs(key: str, written: object) -> bool:
    """`ENTRYPOINT []` undoes the base's; only Go's omitempty forgets it."""
    return key in ("Entrypoint", "Cmd") and written == []


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _command(inner: Object, key: str) -> tuple[str, ...] | None:
    # Old Docker wrote a command of one word as a string (its `strslice`).
    if isinstance(inner.get(key), str):
        return (inner[key],)
    return texts_of(inner, key, _WHAT)


def _keys(inner: Object, key: str) -> tuple[str, ...]:
    return tuple(sorted(object_of(inner, key, _WHAT) or ()))


def _diff_ids(top: Object) -> tuple[Digest, ...]:
    rootfs = object_of(top, "rootfs", _WHAT)
    if rootfs is None:
        raise broken(f"{_WHAT} has no rootfs")
    kind = text_of(rootfs, "type", _WHAT)
    if kind != "layers":
        raise broken(f"{_WHAT}: the rootfs is of type {kind!r}, not 'layers'")
    found = texts_of(rootfs, "diff_ids", _WHAT) or ()
    if len(found) > _MAX_LAYERS:
        raise broken(f"the image has {len(found)} layers, over {_MAX_LAYERS}")
    return tuple(Digest.parse(text) for text in found)


def _history(entry: Object) -> History:
    return History(
        created=text_of(entry, "created", _WHAT),
        created_by=text_of(entry, "created_by", _WHAT),
        comment=text_of(entry, "comment", _WHAT),
        author=text_of(entry, "author", _WHAT),
        empty_layer=flag_of(entry, "empty_layer", _WHAT),
    )


def _history_json(history: History) -> dict[str, Any]:
    fields = {
        "created": history.created,
        "created_by": history.created_by,
        "author": history.author,
        "comment": history.comment,
        "empty_layer": history.empty_layer,
    }
    return {k: v for k, v in fields.items() if v}


def _healthcheck(entry: Object | None) -> Healthcheck | None:
    if entry is None:
        return None
    return Healthcheck(
        test=texts_of(entry, "Test", _WHAT) or (),
        interval=integer_of(entry, "Interval", _WHAT),
        timeout=integer_of(entry, "Timeout", _WHAT),
        start_period=integer_of(entry, "StartPeriod", _WHAT),
        start_interval=integer_of(entry, "StartInterval", _WHAT),
        retries=integer_of(entry, "Retries", _WHAT),
    )


def _healthcheck_json(check: Healthcheck | None) -> Mapping[str, Any] | None:
    if check is None:
        return None
    fields = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {k: v for k, v in fields.items() if v}

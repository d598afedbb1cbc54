"""What the options of a log driver come to: its limits, and what each record carries.

Labels and variables of the container by name or pattern, and a tag, are `attrs` of a
record, as docker's json-file driver writes them (moby, daemon/logger/loginfo.go).
"""

from __future__ import annotations

import re

from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lamina.runtime.containers.state import Container


def _image_id(container: Container) -> str:
    return f"sha256:{container.image.removeprefix('sha256:')}"


_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
# docker takes twelve characters of an image's ID, `sha256:` among them.
_SHORT = 12
_FIELDS: dict[str, Callable[[Container], str]] = {
    "ID": lambda container: container.short,
    "FullID": lambda container: container.id,
    "Name": lambda container: container.name,
    "ImageID": lambda container: _image_id(container)[:_SHORT],
    "ImageFullID": _image_id,
    "ImageName": lambda container: container.image_name,
    "Command": lambda container: " ".join(container.args),
    "DaemonName": lambda _: "lamina",
}


def settings(container: Container) -> tuple[int, int, str, bool] | None:
    """`max-size` (bytes, 0: none), `max-file`, the attributes as JSON ("" for none) and
    `compress`, as keeper/log.py takes them; None where no log is kept."""
    if container.options.log_driver == "none":
        return None
    given = _given(container)
    limits = int(given.get("max-size", 0)), int(given.get("max-file", 1))
    compressed = given.get("compress") == "true"
    found = attributes(container)
    if not found:
        return (*limits, "", compressed)
    import json

    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return (*limits, text, compressed)


def attributes(container: Container) -> dict[str, str]:
    """What each record carries beside its text."""
    given = _given(container)
    env = dict(text.partition("=")[::2] for text in container.config.env)
    found = {
        **_chosen(container.config.labels, given, "labels"),
        **_chosen(env, given, "env"),
    }
    if given.get("tag"):
        found["tag"] = _FIELD.sub(lambda m: _FIELDS[m[1]](container), given["tag"])
    return found


def check_tag(template: str) -> None:
    """Raises ContainerError for what a tag cannot say."""
    unknown = [name for name in _FIELD.findall(template) if name not in _FIELDS]
    if unknown or "{{" in _FIELD.sub("", template):
        what = f"no field .{unknown[0]}" if unknown else "more than fields"
        raise ContainerError(
            f"Invalid tag {template!r}: there is {what}.",
            hint="{{.Name}}, or one of " + ", ".join(sorted(_FIELDS)) + ".",
        )


def check_pattern(text: str, flag: str) -> None:
    """Raises ContainerError for what is no regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ContainerError(
            f"Invalid pattern {text!r} for {flag}: {error.msg}.",
            hint="A regular expression of names, as in '^(os|app)'.",
        ) from None


def _given(container: Container) -> dict[str, str]:
    pairs = (text.partition("=") for text in container.options.log_options)
    return {key: given for key, _, given in pairs}


def _chosen(
    known: Mapping[str, str], given: Mapping[str, str], kind: str
) -> dict[str, str]:
    """Those that `labels=a,b` names, or `labels-regex`; `env` as well."""
    names: Iterable[str] = given.get(kind, "").split(",")
    found = {name: known[name] for name in names if name in known}
    if pattern := given.get(f"{kind}-regex"):
        search = re.compile(pattern).search
        found |= {name: value for name, value in known.items() if search(name)}
    return found

"""What differs between the fields of two cache keys, in the words of a recipe."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Fields = Mapping[str, Any]

# Of long values so many characters are shown, so many before the first that differs.
_LONGEST = 60
_BEFORE = 12
# Each field that is plain: what a recipe or the command line calls it.
_WORDS = {
    "dest": "the target",
    "path": "WORKDIR",
    "cwd": "WORKDIR",
    "user": "USER",
    "network": "--network",
    "security": "--security",
    "chown": "--chown",
    "chmod": "--chmod",
    "link": "--link",
    "parents": "--parents",
    "checksum": "--checksum",
    "keep_git_dir": "--keep-git-dir",
    "unpack": "--unpack",
    "quirks": "the dialect's quirks",
}


def is_key(given: object) -> bool:
    """Whether these are fields of a key as this Lamina writes them: another machine,
    another version or somebody hostile may have written anything."""
    if not isinstance(given, dict) or not given.keys() >= _ALWAYS:
        return False
    return all(
        _SHAPES[name](found) if name in _SHAPES else not isinstance(found, list | dict)
        for name, found in given.items()
    )


def _texts(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(text, str) for text in given)


def _by_name(given: object) -> bool:
    return isinstance(given, dict) and all(
        isinstance(text, str) for text in given.values()
    )


def _pairs(given: object) -> bool:
    return isinstance(given, list) and all(
        _texts(pair) and len(pair) == len(("name", "address")) for pair in given
    )


def _targets(given: object) -> bool:
    return isinstance(given, list) and all(
        isinstance(mount, dict)
        and isinstance(mount.get("target"), str)
        and not any(isinstance(found, list | dict) for found in mount.values())
        for mount in given
    )


_ALWAYS = {"version", "parent", "reads"}
# Fields that are more than one value.
_SHAPES = {
    "args": _texts,
    "exclude": _texts,
    "env": _by_name,
    "reads": _by_name,
    "scripts": _by_name,
    "inline": _by_name,
    "hosts": _pairs,
    "mounts": _targets,
}


def distance(old: Fields, new: Fields) -> int:
    """In how many things two keys differ; a variable is one, and so is a file set."""
    count = 0
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            count += sum(
                before.get(k) != after.get(k) for k in before.keys() | after.keys()
            )
        else:
            count += before != after
    return count


def differences(old: Fields, new: Fields) -> Iterator[str]:
    """What a key says itself; its parent and what it reads are others' affair."""
    if old["version"] != new["version"]:
        yield "this Lamina keeps its results under other keys"
    if old.get("platform") != new.get("platform"):
        yield changed("platform", old.get("platform"), new.get("platform"))
    yield from _each("ENV ", old.get("env"), new.get("env"))
    for name in sorted(old.keys() | new.keys()):
        if name not in _APART and old.get(name) != new.get(name):
            yield from _field(name, old.get(name), new.get(name))


_APART = ("version", "platform", "parent", "env", "reads", "kind")


def changed(what: str, old: Any, new: Any) -> str:
    """`WHAT old → new`, shortened to where they differ."""
    if old is None:
        return f"{what} {_shown(new)} is new"
    if new is None:
        return f"{what} is gone"
    before, after = _text(old), _text(new)
    if max(len(before), len(after)) > _LONGEST:
        before, after = _around(before, after)
    return f"{what} {before} → {after}"


def _field(name: str, old: Any, new: Any) -> Iterator[str]:
    if name == "args":
        yield _command_changed(old or [], new or [])
    elif name in ("scripts", "inline"):
        for file in sorted({**(old or {}), **(new or {})}):
            if (old or {}).get(file) != (new or {}).get(file):
                yield f"the text of <<{file} changed"
    elif name == "mounts":
        yield from _mounts(old or [], new or [])
    elif name == "hosts":
        yield from _each("--add-host ", dict(old or ()), dict(new or ()))
    elif name == "exclude":
        yield changed("--exclude", _joined(old), _joined(new))
    else:
        # What is empty was not said.
        yield changed(_WORDS.get(name, name), old or None, new or None)


def _command_changed(old: list[str], new: list[str]) -> str:
    before, after = _command(old), _command(new)
    if before == after:  # the shell is another one
        return changed("the shell", " ".join(old[:-1]), " ".join(new[:-1]))
    return changed("the command", before, after)


def _command(args: list[str]) -> str:
    """A command as it was written: that of a shell without the shell."""
    shell = len(args) > 2 and args[-2].startswith("-") and args[-2].endswith("c")
    return args[-1] if shell else " ".join(args)


def _mounts(old: list[Fields], new: list[Fields]) -> Iterator[str]:
    """Mounts by their targets, and of each what differs."""
    before = {mount["target"]: mount for mount in old}
    after = {mount["target"]: mount for mount in new}
    for target in sorted(before.keys() | after.keys()):
        what = f"the mount at {target}"
        was, now = before.get(target), after.get(target)
        if was is None or now is None:
            yield f"{what} is {'new' if was is None else 'gone'}"
            continue
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                yield changed(f"{what}: {name}", was.get(name), now.get(name))


def _each(what: str, old: Fields | None, new: Fields | None) -> Iterator[str]:
    before, after = old or {}, new or {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield changed(f"{what}{name}", before.get(name), after.get(name))


def _joined(given: Any) -> str | None:
    return None if given is None else " ".join(given)


def _text(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _shown(given: Any) -> str:
    text = _text(given)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _around(old: str, new: str) -> tuple[str, str]:
    """Both texts from a little before the first character that differs."""
    pairs = enumerate(zip(old, new, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, same - _BEFORE)
    return _part(old, start), _part(new, start)


def _part(text: str, start: int) -> str:
    end = start + _LONGEST
    head = "..." if start else ""
    return f"{head}{text[start:end]}{'...' if len(text) > end else ''}"

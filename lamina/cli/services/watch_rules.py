"""`develop.watch`: what follows when a file below a path is saved."""

from __future__ import annotations

import os

from lamina.builder.sources.ignore import parse_ignore, patterns_of
from lamina.builder.watch.temporary import is_temporary
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from lamina.builder.sources.ignore import Ignore
    from lamina.services.project import Service

REBUILD, RESTART, SYNC = "rebuild", "restart", "sync"
SYNC_RESTART, SYNC_EXEC = "sync+restart", "sync+exec"
# Never a part of what is watched, as with docker compose.
_GIT = ".git"


@value
class Rule:
    """What is saved below the real path `source`, or that file, has the service do
    `action`; a file is synced to `target`, an absolute path, with its path below
    `source`. `command` is that of sync+exec."""

    service: str
    action: str
    source: str
    target: str
    ignored: tuple[Ignore, ...]
    included: Ignore
    initial: bool
    command: Mapping[str, Any]

    @property
    def syncs(self) -> bool:
        return self.action.startswith(SYNC)

    def is_for(self, path: str) -> bool:
        """Whether the save of a file has it do something."""
        if not self.covers(path):
            return False
        inner = os.path.relpath(path, self.source)
        return inner == "." or not self.included or self.included.excludes(inner)

    def covers(self, path: str) -> bool:
        """Whether a path, a folder too, is one that is looked at."""
        if path == self.source:
            return True
        if not path.startswith(f"{self.source}/") or is_temporary(path):
            return False
        inner = path[len(self.source) + 1 :]
        if _GIT in inner.split("/"):
            return False
        return not any(patterns.excludes(inner) for patterns in self.ignored)

    def place(self, path: str) -> str:
        """Where a file belongs in a container."""
        return self.target + path[len(self.source) :]


@value
class Work:
    """What a burst of saves has a service do: rebuild, or `synced` files and then
    restart or `commands`."""

    rebuild: bool
    restart: bool
    synced: tuple[tuple[str, str], ...]
    commands: tuple[Mapping[str, Any], ...]


def rules_of(services: Iterable[Service]) -> tuple[Rule, ...]:
    """The rules of services; raises InvalidPattern."""
    found = []
    for service in services:
        for keys in (service.keys.get("develop") or {}).get("watch") or ():
            source = os.path.realpath(keys["path"])
            own = patterns_of(_texts(keys.get("ignore")), "ignore")
            found.append(
                Rule(
                    service.name,
                    keys["action"],
                    source,
                    os.path.normpath(keys.get("target") or "/"),
                    (own, *_context_ignore(service, source)),
                    patterns_of(_texts(keys.get("include")), "include"),
                    bool(keys.get("initial_sync")),
                    keys.get("exec") or {},
                )
            )
    return tuple(found)


def _texts(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _context_ignore(service: Service, source: str) -> Iterator[Ignore]:
    """The .dockerignore of the service's context, where that is what is watched."""
    context = service.build.get("context")
    if context and os.path.realpath(context) == source:
        path = f"{source}/.dockerignore"
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                yield parse_ignore(file.read(), path)
        except FileNotFoundError:
            return


def work_for(rules: Iterable[Rule], paths: Iterable[str]) -> dict[str, Work]:
    """What saves of `paths` come to, by services: to rebuild is all that is done then,
    for the image has the files."""
    found: dict[str, Work] = {}
    ordered = sorted(paths)
    for rule in rules:
        saved = [path for path in ordered if rule.is_for(path)]
        if not saved:
            continue
        before = found.get(rule.service, Work(False, False, (), ()))
        synced = tuple((path, rule.place(path)) for path in saved) if rule.syncs else ()
        commands = (rule.command,) if rule.action == SYNC_EXEC else ()
        found[rule.service] = Work(
            before.rebuild or rule.action == REBUILD,
            before.restart or rule.action in (RESTART, SYNC_RESTART),
            (*before.synced, *synced),
            (*before.commands, *commands),
        )
    return found

"""What is saved is in the services at once, as their `develop.watch` says."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial

from lamina.builder.watch.changes import Changes
from lamina.builder.watch.contents import Contents
from lamina.builder.watch.watcher import Area
from lamina.cli.services.bringing import Bringing, bring_up
from lamina.cli.services.flags import ServicesUsage
from lamina.cli.services.images import Getting
from lamina.cli.services.watch_rules import Rule, rules_of, work_for
from lamina.errors import LaminaError
from lamina.services import making, observed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lamina.builder.watch.errors import WatchLimit
    from lamina.cli.services.view import View
    from lamina.cli.services.watch_rules import Work
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.services.project import Project, Service


class Watching:
    """Watches the paths of a project's rules, from `begin` until `close`.

    `reload` reads the compose files again, for they are watched as well: what they say
    by then is brought up.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        reload: Callable[[], tuple[Project, tuple[Service, ...]]],
        shown: View,
    ) -> None:
        self._store = store
        self._settings = settings
        self._reload = reload
        self._shown = shown
        self._contents = Contents()
        self._project, self._services = reload()
        self._rules = rules_of(self._services)
        if not self._rules:
            raise ServicesUsage(
                "None of the selected services is configured for watch.",
                hint="Say what follows on a save in `develop.watch` of a service.",
            )
        self._changes = Changes(self._wants, self._limited)

    def begin(self) -> None:
        """Sync what is to be in step from the start, and look from now on."""
        self._changes.watch(self._areas())
        for service in self._services:
            files = [
                pair
                for rule in self._rules
                if rule.service == service.name and rule.syncs and rule.initial
                for pair in _everything(rule)
            ]
            if files:
                self._sync(service, tuple(files))
        _say("Watch enabled")

    def run(self) -> None:
        """Carry out one burst of saves after the other, until `close`."""
        for changed in self._changes:
            paths = changed.paths
            if changed.everything:
                paths |= {p for rule in self._rules for p, _ in _everything(rule)}
            saved = self._contents.changed(paths)
            try:
                if saved & set(self._project.read):
                    self._read_again()
                self._carry_out(saved)
            except LaminaError as error:
                # What runs goes on; the next save may mend it.
                self._tell_error(error)

    def close(self) -> None:
        """Look no longer."""
        self._changes.close()

    def _wants(self, path: str, is_directory: bool) -> bool:
        if path in self._project.read:
            return True
        return any(
            rule.covers(path) or (is_directory and rule.source.startswith(f"{path}/"))
            for rule in self._rules
        )

    def _areas(self) -> list[Area]:
        found = {Area(os.path.dirname(file), deep=False) for file in self._project.read}
        for rule in self._rules:
            deep = os.path.isdir(rule.source)
            place = rule.source if deep else os.path.dirname(rule.source)
            found.add(Area(place, deep=deep))
        return sorted(found, key=lambda area: (area.path, area.deep))

    def _limited(self, limit: WatchLimit) -> None:
        self._tell_error(limit)

    def _read_again(self) -> None:
        """The compose files were saved: what they say is brought up."""
        _say("the compose file was saved, or what it takes in")
        self._project, self._services = self._reload()
        self._rules = rules_of(self._services)
        self._changes.watch(self._areas())
        names = tuple(one.name for one in self._services)
        bring_up(
            self._store, self._settings, self._project, Bringing(names), self._shown
        )
        self._shown.close()

    def _carry_out(self, saved: frozenset[str]) -> None:
        for name, work in work_for(self._rules, saved).items():
            service = self._project.service(name)
            if service is not None:
                self._work(service, work)

    def _work(self, service: Service, work: Work) -> None:
        if work.rebuild:
            self._rebuild(service)
            return
        if work.synced:
            self._sync(service, work.synced)
        if work.restart:
            self._restart(service)
        for command in work.commands:
            self._execute(service, command)

    def _rebuild(self, service: Service) -> None:
        from lamina.cli.services.building import build

        _say(f"rebuilding {service.name}")
        build(self._project, service, self._settings)
        asked = Bringing((service.name,), alone=True, getting=Getting(build=False))
        bring_up(self._store, self._settings, self._project, asked, self._shown)
        self._shown.close()
        _say(f"{service.name} is up with what was saved")

    def _sync(self, service: Service, files: tuple[tuple[str, str], ...]) -> None:
        from lamina.runtime.swap.sync import sync

        number = 0
        for container in self._running(service):
            number = max(number, sync(self._store.root, container, files))
        if number:
            noun = "file" if number == 1 else "files"
            _say(f"{number} {noun} synced to {service.name}")

    def _restart(self, service: Service) -> None:
        from lamina.services import ending
        from lamina.services.abreast import abreast

        def restart(container: Container) -> None:
            ending.stop(self._store, container, service, None, self._shown)
            making.start(self._store, container)

        abreast([partial(restart, one) for one in self._running(service)])
        self._shown.close()
        _say(f"{service.name} restarted")

    def _execute(self, service: Service, command: Mapping[str, Any]) -> None:
        from lamina.services import hooks

        for container in self._running(service):
            hooks.run(self._store.root, container, command, "watch")

    def _running(self, service: Service) -> list[Container]:
        found = observed.all_of(self._store.root, self._project.name)
        return [
            one.container
            for one in found
            if one.service == service.name and one.state.is_running and not one.once
        ]

    def _tell_error(self, error: LaminaError) -> None:
        from lamina.cli.telling import print_error

        self._shown.close()
        print_error(error)


def _everything(rule: Rule) -> list[tuple[str, str]]:
    """All files that a rule is about, and where they belong."""
    from lamina.runtime.swap import sync

    known = sync.Rule(rule.source, rule.target)
    pairs = sync.everything((known,), lambda path, _: rule.covers(path))
    return [pair for pair in pairs if rule.is_for(pair[0])]


def _say(text: str) -> None:
    print(f"watch: {text}", file=sys.stderr, flush=True)


def beside(watching: Watching) -> None:
    """Have it run beside what else is done; it ends with `close`."""

    def work() -> None:
        watching.begin()
        watching.run()

    threading.Thread(target=work, name="lamina-watch", daemon=True).start()

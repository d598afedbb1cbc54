"""The console of a session: the screen with its keys, and what each of them does."""

from __future__ import annotations

import os
import time
from threading import Thread

from lamina.builder.watch.rounds import Round
from lamina.cli.watching import keys
from lamina.cli.watching.keys import Keys
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.cli.watching.screen import ScreenView
    from lamina.runtime.containers.state import Container
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.swap.serving import Serving

_SHELL = ("/bin/sh",)


class Pressed:
    """Carries out keys, in the main thread; `pressed` hands one over to it."""

    def __init__(
        self,
        root: str,
        view: ScreenView,
        environment: Mapping[str, str],
    ) -> None:
        self._root = root
        self._view = view
        self._environment = environment
        self._keys: Keys | None = None

    def start(self, pressed: Callable[[str], None]) -> None:
        """Read keys from our terminal."""
        self._keys = Keys(0, pressed)
        self._keys.start()

    def stop(self) -> None:
        """Read no more."""
        if self._keys is not None:
            self._keys.stop()

    def carry_out(
        self, key: str, ask: Callable[[Round], None], serving: Serving | None
    ) -> bool:
        """Do what a key says; False for the one that ends it all."""
        now = time.monotonic()
        if key == keys.REBUILD:
            ask(Round(everything=True, first=now, fresh=True))
        elif key == keys.RERUN:
            ask(Round(everything=True, first=now, rerun=True))
        elif key == keys.EXPLAIN:
            self._view.explain()
        elif key == keys.SHELL:
            self._with_container(serving, self._shell)
        elif key == keys.OPEN:
            self._open(serving.ports if serving is not None else ())
        return key != keys.QUIT

    def _with_container(
        self, serving: Serving | None, do: Callable[[Container], None]
    ) -> None:
        if serving is None or serving.current is None or not serving.alive:
            self._view.say("No container runs.")
            return
        do(serving.current.container)

    def _shell(self, container: Container) -> None:
        from lamina.cli.containers.consoles import console_of
        from lamina.runtime.containers.exec import Execution, execute

        self.stop()
        self._view.pause()
        try:
            asked = Execution(_SHELL, terminal=True, interactive=True)
            execute(self._root, container, asked, console_of(True, True))
        except LaminaError as error:
            self._view.say(error.message)
        finally:
            self._view.resume()
            if self._keys is not None:
                self._keys.start()

    def _open(self, ports: tuple[PortMapping, ...]) -> None:
        """Have the desktop open the first published port."""
        if not ports:
            self._view.say("No port is published.")
            return
        address = f"http://localhost:{ports[0].host_port}/"
        program = self._environment.get("BROWSER") or "xdg-open"
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        try:
            environment = dict(self._environment)
            pid = os.posix_spawnp(
                program,
                (program, address),
                environment,
                file_actions=actions,
                setsid=True,
            )
            Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()
            self._view.say(f"{program} {address}")
        except OSError:
            self._view.say(f"{address} (there is no {program} to open it)")
        finally:
            os.close(null)

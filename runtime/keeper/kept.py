"""One container, from its first launch to its last end, in the process that keeps it.

It is the only one that writes the container's state while it lives. What it does at
the end needs nobody: the command that started it may be gone for long.
"""

from __future__ import annotations

import os
import time

from lamina.oci.store import journal
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import children
from lamina.runtime.keeper import farewell, record
from lamina.runtime.keeper.client import Clients
from lamina.runtime.keeper.given import Given, clone_mounts
from lamina.runtime.keeper.inputs import Inputs
from lamina.runtime.keeper.lending import HUB, lend
from lamina.runtime.keeper.outputs import Outputs
from lamina.runtime.keeper.probes import Probes
from lamina.runtime.keeper.restarts import NO, Policy, Restarts
from lamina.runtime.keeper.rotation import Rotation
from lamina.runtime.keeper.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.isolation.server import Server
    from lamina.runtime.keeper.health import Health

_SIGKILL = 9


class Kept:
    """`given` says all about the container; `over` is called when nothing is left."""

    def __init__(
        self, server: Server, given: Given, over: Callable[[Kept], None]
    ) -> None:
        self.given = given
        self.policy = given.policy
        self._server = server
        self._over = over
        self._state: dict[str, Any] = dict(given.state)
        record.reserve(given.place)
        log = given.new_log()
        self._log = log
        self._outputs = Outputs(server.loop, log)
        self._inputs = Inputs(server.loop, given.once)
        self.clients = Clients(self._outputs, self._inputs, not given.detached)
        self.clients.told = self.tell
        self.clients.signalled = self.signal
        self.clients.released = self._released
        self.clients.abandoned = self.kill
        if given.published is not None:
            fd, serve = given.published.fileno(), given.published.serve
            server.loop.watch(fd, lambda _: serve())
        if given.resolver is not None:
            given.networks.resolve(server.loop, given.resolver, given.resolving)
        self._restarts = Restarts()
        self._timer = 0
        self._probes: Probes | None = None
        self._run: Run | None = None
        # Whether a command was ever executed.
        self._started = False
        # Whether `stop` was called.
        self._stopping = False
        self.rotation = Rotation(
            server.loop, given.networks, checked=given.check is not None
        )

    def _released(self) -> None:
        """Nobody owns the container any more: it lives on by itself."""
        record.leave_stderr(self.given.place)
        if self._run is not None and self._run.running is not None:
            self._run.running.stays = True

    # What is asked of it

    def signal(self, number: int) -> None:
        """Signal its first process; nothing when there is none."""
        if self._run is not None:
            self._run.signal(number)

    def kill(self) -> None:
        """End it, for good."""
        self.quit()
        self._thaw()
        self.signal(_SIGKILL)

    def quit(self, stopped: bool = False, remove: bool = True) -> None:
        """Do not restart it any more; `stopped`: because the user said so.

        Without `remove` one of `--rm` stays when it has ended.
        """
        self.policy = Policy(NO)
        self.rotation.leave()
        self._state["stopped"] = stopped
        self.given.remove &= remove
        if self._timer and self._run is None:
            # It waited for its next start; the timer of a run is that of its end.
            self._server.loop.cancel(self._timer)
            self._timer = 0
            self._finish()
        else:
            self._write()

    def stop(self) -> None:
        """End it as `lamina stop` does, but not because the user said so: `lamina
        system start` starts it again."""
        if self._stopping:
            return
        self._stopping = True
        self.quit(self._state["stopped"])
        if self._run is None:
            return
        number, patience = self.given.stop
        self._thaw()
        self.tell("kill", signal=str(number))
        self.signal(number)
        if patience >= 0:
            self._timer = self._server.loop.after(patience, self._kill_late)

    def _kill_late(self) -> None:
        self._timer = 0
        self.tell("kill", signal=str(_SIGKILL))
        self.signal(_SIGKILL)

    def enter_cgroups(self, files: list[int], path: str) -> None:
        """It is in these from now on."""
        self.given.enter_cgroups(files, path)
        self._write(cgroup=path)

    def pause(self, paused: bool) -> None:
        """Freeze its processes, or let them go on; raises ContainerError."""
        if paused:
            self.rotation.pause(True)
            try:
                self.given.freeze(True)
            except BaseException:
                self.rotation.pause(False)
                raise
            if self._probes is not None:
                self._probes.stop()
        else:
            self.given.freeze(False)
            if self._probes is not None:
                self._probes.go_on()
            self.rotation.pause(False)
        self._write(status="paused" if paused else "running")

    def _thaw(self) -> None:
        """What is frozen would not die of a signal."""
        if self._state["status"] == "paused":
            self.pause(False)

    def enter(self, request: dict[str, Any], fds: list[int]) -> tuple[int, int]:
        """Start one more process: its pid and pidfd. Fds: report, line, streams."""
        assert self._run is not None
        request["namespaces"] = self._run.namespaces()
        rest = self._run.rest()
        try:
            return children.enter(request, fds[0], fds[2:5], rest)
        finally:
            os.close(rest[0])

    def lend(self, line: _socket.socket, kinds: tuple[str, ...]) -> None:
        """Give another container what it shares; raises ContainerError, OSError."""
        if kinds == HUB:
            # It is there while somebody keeps a container on it, running or not.
            lend(line, -1, kinds, self.given.lendable)
            return
        if self._run is None or self.status not in ("running", "paused"):
            raise ContainerError("The container does not run.")
        lend(line, self._run.pidfd, kinds, self.given.lendable)

    def join(self, asked: dict[str, Any], fds: list[int]) -> None:
        """Have the lease of one more network, which another process took; and serve
        names, if it did not."""
        networks, resolver = self.given.networks, asked["resolver"]
        networks.join(asked["endpoint"])
        self.given.tell_of_networks(asked["network"])
        if resolver is not None:
            networks.resolve(self._server.loop, resolver, fds[:2])
            del fds[:2]
        if len(fds) >= 2:
            self.given.hold_hub(fds[-2:])
            del fds[-2:]
        self._write(endpoints=networks.described())
        self.rotation.judge()

    def leave(self, place: str) -> None:
        """Have no more to give back of the network whose directory `place` is."""
        left = self.given.networks.leave(place)
        self.given.tell_of_networks()
        ports = tuple(port for port in self._state["ports"] if port not in left)
        self._write(endpoints=self.given.networks.described(), ports=ports)

    @property
    def status(self) -> str:
        """As containers/state.py has it."""
        return str(self._state["status"])

    # A run

    def start(self, mounts: list[int]) -> None:
        """Launch it with these detached mounts, which are closed."""
        kind = self._kind_of_run()
        run = kind(self._server, self.given, self._outputs, self._inputs)
        run.opened = lambda: self.clients.give_sizes(run.master)
        run.executed = self._executed
        run.ended = self._ended
        self._run = run
        try:
            run.launch(mounts, stays=not self.clients.own)
        except OSError as error:
            run.failure = {
                "error": "ContainerError",
                "text": f"cannot start a process: {error}",
                "hint": "",
            }
            if run.running is not None:
                run.running.kill()  # and it is heard of its end
            else:
                self._ended(125 << 8)

    def _kind_of_run(self) -> type[Run]:
        if not self.given.foreign:
            return Run
        # Imported when this process was set up, if it is to need it (program.py).
        from lamina.runtime.keeper.foreign import ForeignRun

        return ForeignRun

    def _executed(self) -> None:
        """The command runs: it is written down, and clients are told."""
        assert self._run is not None
        created = tuple(path for path, *_ in self._run.facts["created"])
        self._write(
            status="running",
            init=self._run.init.__dict__,
            started=time.time_ns(),
            finished=0,
            exit_code=0,
            error="",
            oom_killed=False,
            restart_count=self._restarts.count,
            stubs=tuple(dict.fromkeys((*self._state["stubs"], *created))),
        )
        self.rotation.begin(self._run.init.pid, self._run.began)
        self.tell("start")
        if not self._started:
            self.clients.tell({"started": self._run.facts})
        self._started = True
        if self.given.check is not None:
            try:
                namespaces = self._run.namespaces()
            except ContainerError:
                # It has ended meanwhile, as will be heard: there is nobody to ask.
                return
            probe = {**self.given.probe, "namespaces": namespaces}
            self._probes = Probes(
                self._server, self.given.check, probe, self._run.rest, self._probed
            )
            self._write(health=self._probes.health.described())

    def _probed(self, health: Health) -> None:
        before = self._state["health"]["status"]
        # Before anybody sees it, who may stop another one then.
        self.rotation.probed(health.status)
        self._write(health=health.described())
        if health.status != before:
            self.tell(f"health_status: {health.status}")

    def _ended(self, status: int) -> None:
        run, self._run = self._run, None
        assert run is not None
        self.rotation.end()
        self.clients.give_sizes(-1)
        if self._probes is not None:
            self._probes.stop()
            self._probes = None
        if not self._started:
            self._never_started(run, status)
            return
        code = os.waitstatus_to_exitcode(status)
        self._state["exit_code"] = code if code >= 0 else 128 - code
        if run.failure:
            self._state["error"] = run.failure["text"]
        self._state["oom_killed"] = self.given.oom_killed()
        self._state["finished"] = time.time_ns()
        self._state["init"] = None
        if self._state["oom_killed"]:
            self.tell("oom")
        if self.given.shares_processes and (group := self.given.cgroup) is not None:
            group.kill()
        ran = time.monotonic() - run.began
        self.tell(
            "die", execDuration=str(int(ran)), exitCode=str(self._state["exit_code"])
        )
        self._restart_or_finish(ran)

    # The end

    def _restart_or_finish(self, ran: float) -> None:
        code = self._state["exit_code"]
        found = self._restarts.after(self.policy, code, ran)
        if found is None:
            self._finish()
            return
        self._restarts = found
        self._write(status="restarting", restart_count=found.count)
        # As with docker, who watches has seen the end of what they watched.
        self.clients.release()
        self.clients.dismiss({"status": code})
        self._timer = self._server.loop.after(found.pause, self._again)

    def _again(self) -> None:
        self._timer = 0
        try:
            self.given.borrow_anew()
            mounts = clone_mounts(self.given)
        except (ContainerError, OSError) as error:
            # It may go next time: what it shares may be starting again, too.
            self._state["error"] = f"cannot be started again: {error}"
            self._restart_or_finish(0.0)
            return
        self.start(mounts)

    def _never_started(self, run: Run, status: int) -> None:
        """The first launch came to nothing: who asked for it says so."""
        failure = run.failure or {
            "error": "ContainerError",
            "text": "the container was killed while it was set up",
            "hint": "",
        }
        code = os.waitstatus_to_exitcode(status)
        self._write(
            error=failure["text"],
            exit_code=code if code > 0 else 125,
            init=None,
        )
        self._state["ports"] = ()
        farewell.give_back(self.given, self._server.loop)
        self._close(failure)

    def _finish(self) -> None:
        """Record the end, give everything back."""
        # Before anything is given back: what dies on the way has it collected.
        self._state["ports"] = ()
        self._write(status="exited", health=self._state["health"])
        farewell.give_back(self.given, self._server.loop)
        self._close({"status": self._state["exit_code"]})

    def _close(self, message: dict[str, Any]) -> None:
        if self._log is not None:
            self._log.close()
        given = self.given
        if self._stopping:
            self._server.loop.cancel(self._timer)
            self.tell("stop")
        if given.remove:
            farewell.remove(given.root, given.id, given.current_name())
            self.tell("destroy")
        else:
            self._write(keeper=None, endpoints=(), cgroup="", init=None)
            record.unreserve(given.place)
            record.mark_free(given.root, given.id)
        self.clients.dismiss(message)
        given.close()
        self._over(self)

    @property
    def is_flushed(self) -> bool:
        """Whether clients have taken all that they are to get."""
        return self._outputs.is_flushed

    def _write(self, **changes: Any) -> None:
        self._state.update(changes)
        try:
            record.write_state(self.given.place, self._state)
        except OSError:
            return  # a full disk, or somebody removed it: it ends all the same

    def tell(self, action: str, **more: str) -> None:
        """Note in the store's journal what happened to the container."""
        given = self.given
        attributes = {**given.actor, "name": given.current_name(), **more}
        journal.note(given.root, "container", action, given.id, attributes)

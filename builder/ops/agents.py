"""SSH agents for `RUN --mount=type=ssh`: what a step may ask of the user's keys.

A step gets a socket of its own with the mode and owner that it asks for; a thread
passes each question on to the agent. Like BuildKit's, it lets a step list keys and
sign with them and nothing else: no step adds, removes or locks keys. Key files go to
an ssh-agent that only this build knows and that ends with it.

The messages: draft-miller-ssh-agent, section 3 (a length in 4 bytes, then the type).
"""

from __future__ import annotations

import os
import threading

from lamina.builder.errors import AgentFailed
from lamina.builder.ops.upper import give_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Mapping

_FAILURE = b"\x05"
# SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST
_ALLOWED = frozenset((11, 13))
# OpenSSH's limit of a message (AGENT_MAX_LEN).
_LONGEST = 256 << 10
_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Agents:
    """The agents of a build: `sources` are a socket or key files by id.

    `place` is a directory for sockets. Threads may share it; close it at the end.
    """

    def __init__(self, sources: Mapping[str, tuple[str, ...]], place: str) -> None:
        self._sources = sources
        # The path of a socket is at most 107 bytes long; that of a store may be longer.
        self._place = os.open(place, _DIRECTORY)
        self._directory = place
        self._lock = threading.Lock()
        self._private: dict[str, tuple[str, _PrivateAgent]] = {}
        self._count = 0

    def close(self) -> None:
        """End the agents that were started here."""
        for _, agent in self._private.values():
            agent.close()
        os.close(self._place)

    def knows(self, identity: str) -> bool:
        """Whether `--ssh` gave an agent of this id."""
        return identity in self._sources

    def forward(self, identity: str, mode: int, uid: int, gid: int) -> Forwarder:
        """A socket for one step that leads to the agent; raises AgentFailed."""
        with self._lock:
            target = self._target(identity)
            self._count += 1
            name = f"step{self._count}"
        return Forwarder(f"/proc/self/fd/{self._place}/{name}", target, mode, uid, gid)

    def _target(self, identity: str) -> str:
        """The path of the agent's socket."""
        paths = self._sources[identity]
        if len(paths) == 1 and _is_socket(paths[0]):
            return paths[0]
        if identity not in self._private:
            name = f"agent{len(self._private)}"
            agent = _PrivateAgent(self._directory, name, paths)
            self._private[identity] = (f"/proc/self/fd/{self._place}/{name}", agent)
        return self._private[identity][0]


class Forwarder:
    """A listening socket at `path`; close it when the step is over."""

    def __init__(self, path: str, target: str, mode: int, uid: int, gid: int) -> None:
        import socket

        self.path = path
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        give_away(path, (uid, gid), "An agent's socket")
        os.chmod(path, mode)
        self._listener.listen(16)
        threading.Thread(target=self._accept, name="lamina-agent", daemon=True).start()

    def close(self) -> None:
        """Take no more questions."""
        import socket

        # close() alone would not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self.path)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection of the step, until it or the agent hangs up."""
        import socket

        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            try:
                agent.connect(self._target)
                while message := _receive(client):
                    answer = _FAILURE
                    if message[0] in _ALLOWED:
                        _send(agent, message)
                        answer = _receive(agent) or _FAILURE
                    _send(client, answer)
            except OSError:
                return


class _PrivateAgent:
    """An ssh-agent with keys from files. It ends with what it was started for, a `cat`
    that ends when this process does, however it dies."""

    def __init__(self, place: str, name: str, keys: tuple[str, ...]) -> None:
        import subprocess

        command = ["ssh-agent", "-a", name, "sh", "-c", "echo $SSH_AGENT_PID; exec cat"]
        pipe = subprocess.PIPE
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                cwd=place,
                env=_ENV,
                stdin=pipe,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise AgentFailed(
                "Keys are lent to steps by ssh-agent, which this machine lacks.",
                hint="Install openssh-client, or forward an agent: --ssh default",
            ) from error
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AgentFailed("ssh-agent does not start.")
        self._pid = int(line)
        try:
            for key in keys:
                _add_key(place, name, key)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it now; by itself it would look for its parent every ten seconds."""
        import signal

        try:  # noqa: SIM105 (it may be gone)
            os.kill(self._pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self._process.communicate()


def _add_key(place: str, name: str, key: str) -> None:
    import subprocess

    try:
        with open(key, "rb") as file:
            data = file.read()
    except OSError as error:
        raise AgentFailed(f"The key {key} cannot be read: {error.strerror}.") from error
    # From stdin: ssh-add refuses files that others may read, an agent does not care.
    done = subprocess.run(
        ["ssh-add", "-q", "-"],
        cwd=place,
        env={**_ENV, "SSH_AUTH_SOCK": name, "SSH_ASKPASS_REQUIRE": "never"},
        input=data,
        capture_output=True,
        start_new_session=True,
        check=False,
    )
    if done.returncode:
        raise AgentFailed(
            f"{key} is no key, or one with a passphrase.",
            hint=f"Add it to an agent: `ssh-add {key}`, then --ssh default",
        )


def _is_socket(path: str) -> bool:
    import stat

    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as error:
        raise AgentFailed(
            f"There is no agent and no key at {path}: {error.strerror}.",
            hint="--ssh default=SOCKET, or a key file in its place.",
        ) from error


def _receive(end: socket.socket) -> bytes:
    """One message; b"" at the end."""
    head = _exactly(end, 4)
    size = int.from_bytes(head, "big")
    return _exactly(end, size) if head and 0 < size <= _LONGEST else b""


def _exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = end.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data


def _send(end: socket.socket, message: bytes) -> None:
    end.sendall(len(message).to_bytes(4, "big") + message)

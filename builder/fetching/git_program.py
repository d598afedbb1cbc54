"""Git: the `git` program, on a short leash.

No configuration but ours, no hooks, no questions, only the protocols that an address
may have; it ends with the build.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from lamina.builder.errors import DownloadFailed, MissingSource, Stopped
from lamina.builder.fetching.git_source import GitSource, shown, without_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.meter import Meter

_TIMEOUT = 1800
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15"
_CONFIG = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.symlinks=true"),
    *("credential.helper=", "gc.auto=0", "maintenance.auto=false", "pack.threads=1"),
    *("http.lowSpeedLimit=100", "http.lowSpeedTime=60", "advice.detachedHead=false"),
    *("fetch.recurseSubmodules=false", "init.defaultBranch=main"),
)
# Who asks is told to git by its environment, since all users see the words of a
# command; and by git to that host alone, wherever it redirects (gitcredentials(7)).
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    ' "$LAMINA_USER" "$LAMINA_PASSWORD"; }; f'
)
_PASSED = ("PATH", "SSH_AUTH_SOCK", "SUDO_UID")


class Git:
    """Runs git. `tools` are the variables that find it and ssh's agent, `proxies`
    those of the network; once `cancelled`, git is ended."""

    def __init__(
        self,
        tools: Mapping[str, str],
        proxies: Mapping[str, str],
        cancelled: Callable[[], bool],
    ) -> None:
        self._environment = {
            "PATH": os.defpath,
            **{name: tools[name] for name in _PASSED if name in tools},
            **proxies,
            "LC_ALL": "C",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": _SSH,
            "GIT_ATTR_NOSYSTEM": "1",
        }
        self._cancelled = cancelled

    def attempt(
        self,
        *args: str,
        mirror: str = "",
        of: GitSource | None = None,
        meter: Meter | None = None,
    ) -> str | None:
        """As `run`; None when it fails."""
        try:
            return self.run(*args, mirror=mirror, of=of, meter=meter)
        except DownloadFailed:
            return None

    def run(
        self,
        *args: str,
        of: GitSource | None = None,
        mirror: str = "",
        folder: str = "",
        index: str = "",
        local: bool = False,
        meter: Meter | None = None,
    ) -> str:
        """What git prints. Raises DownloadFailed, which says what `of` could not be.

        `meter` is told of what arrives in `mirror`.
        """
        environment = dict(self._environment)
        local |= of is not None and of.is_local
        environment["GIT_ALLOW_PROTOCOL"] = "file" if local else "http:https:ssh:git"
        given: tuple[str, ...] = _CONFIG
        if of is not None:
            url, user, password = without_user(of.url)
            args = tuple(url if word == of.url else word for word in args)
            if user:
                environment |= {"LAMINA_USER": user, "LAMINA_PASSWORD": password}
                given = (*_CONFIG, f"credential.{_origin(url)}.helper={_HELPER}")
        if mirror:
            environment["GIT_DIR"] = mirror
        if folder:
            environment |= {"GIT_WORK_TREE": folder, "GIT_INDEX_FILE": index}
        config = [word for one in given for word in ("-c", one)]
        arrived = _Arrivals(mirror, meter) if meter is not None else None
        code, out, err = self._start(
            ["git", *config, *args], environment, folder or "/", arrived
        )
        if code == 0:
            return out
        lines = [line for line in err.splitlines() if not _is_idle(line)]
        said = "; ".join(lines[-3:]) if lines else f"it ended with {code}"
        what = f"{of} cannot be fetched" if of is not None else f"git {args[0]} failed"
        raise DownloadFailed(f"{what}: {_hidden(said, of)}", hint=_hint(said))

    def _start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,
        arrived: _Arrivals | None,
    ) -> tuple[int, str, str]:
        try:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="surrogateescape",
                umask=0o022,
                process_group=0,
            )
        except FileNotFoundError as error:
            raise MissingSource(
                "The program git is not here, and a repository is wanted.",
                hint="Install it: apt-get install git (or dnf, apk add).",
            ) from error
        try:
            out, err = self._communicate(process, arrived)
        except BaseException:
            _end(process)
            raise
        return process.returncode, out, err

    def _communicate(
        self, process: subprocess.Popen[str], arrived: _Arrivals | None
    ) -> tuple[str, str]:
        """All that git says; an interrupted build does not wait for it."""
        until = time.monotonic() + _TIMEOUT
        while True:
            try:
                return process.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                if self._cancelled():
                    raise Stopped("git was stopped with the build.") from None
                if arrived is not None:
                    arrived.look()
                if time.monotonic() > until:
                    raise DownloadFailed(f"git took more than {_TIMEOUT} s.") from None


class _Arrivals:
    """What git fetch has received so far: it writes a pack as it comes."""

    def __init__(self, mirror: str, meter: Meter) -> None:
        self._folder = f"{mirror}/objects/pack"
        self._meter = meter

    def look(self) -> None:
        size = 0
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                if entry.name.startswith("tmp_pack_"):
                    size += entry.stat().st_size
        self._meter.reach(size)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill git and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _origin(url: str) -> str:
    """Scheme, host and port of an address."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _is_idle(line: str) -> bool:
    """Whether a line says what ends every message about access."""
    ends = ("Please make sure", "and the repository exists", "Cloning into")
    return not line.strip() or line.startswith(ends)


def _hidden(said: str, source: GitSource | None) -> str:
    """What git said, without the password of the address."""
    return said if source is None else said.replace(source.url, shown(source.url))


def _hint(said: str) -> str:
    if "dubious ownership" in said:
        return "The repository is another user's: build as that user."
    if "terminal prompts disabled" in said or "Authentication failed" in said:
        return "It wants a user: put a token in the address, or use ssh with an agent."
    if "Permission denied (publickey" in said:
        return "No key was taken: start ssh-agent and add one, `ssh-add`."
    if "Host key verification failed" in said:
        return "ssh does not know the host: connect to it once, or ssh-keyscan it."
    return ""

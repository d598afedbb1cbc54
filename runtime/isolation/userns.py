"""An ordinary user becomes root, in a user namespace that has only their own ids.

Containers that run keep theirs. Who comes later joins it, so that a user's containers
have one in common and can share other namespaces, which belong to it.

Root inside is the user outside; ids from 1 on are those that /etc/subuid and
/etc/subgid set aside for the user (subuid(5)), mapped by newuidmap(1) and newgidmap,
which are the only ones that may. See user_namespaces(7).
"""

from __future__ import annotations

import errno
import os

from lamina.runtime.errors import NotPermitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

Range = tuple[int, int]  # first id outside, how many

_CAP_SYS_ADMIN = 21
_TOOLS = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin")
_ONE_ID = "only your own user and group id are mapped, so files can have no other owner"


def enter(
    subuid: str = "/etc/subuid",
    subgid: str = "/etc/subgid",
    members: Iterable[int] = (),
) -> str:
    """Become root of user and mount namespaces; root stays what it is.

    The user namespace is that of the first of `members` (processes) that has one of
    this user's, else a new one. For a process with one thread. What comes back is "",
    or a sentence on what does not work because ids are missing. Raises NotPermitted
    where the kernel forbids it.
    """
    if os.geteuid() == 0:
        return ""
    # A thread would stay behind; the kernel refuses it by a mere EINVAL.
    assert len(os.listdir("/proc/self/task")) == 1, "enter() comes before any thread"
    uids, gids = subordinate(subuid, os.getuid()), subordinate(subgid, os.getuid())
    tools = _tool("newuidmap"), _tool("newgidmap")
    complete = bool(uids and gids and all(tools))
    if not any(map(_join, members)):
        if complete:
            _enter_with_ids(
                (tools[0], _rows(os.getuid(), uids)),
                (tools[1], _rows(os.getgid(), gids)),
            )
        else:
            _enter_alone()
    if complete:
        return ""
    if uids and gids:
        return f"{_ONE_ID}; the package `uidmap` has the tools that map more"
    return (
        f"{_ONE_ID}; `sudo usermod --add-subuids 100000-165535 "
        "--add-subgids 100000-165535 $USER` gives you more"
    )


def subordinate(path: str, uid: int) -> tuple[Range, ...]:
    """The ranges that a file like /etc/subuid sets aside for a user, by name or id."""
    names = (str(uid), _user_name(uid))
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    fields = (line.strip().split(":") for line in lines)
    return tuple(
        (int(words[1]), int(words[2]))
        for words in fields
        if len(words) == 3
        and words[0] in names
        and words[1].isdigit()
        and words[2].isdigit()
        and int(words[2])
    )


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def require_namespaces() -> None:
    """Raise NotPermitted for a root that may not make namespaces, as in a container.

    Cheap: it asks for the capability, not for a namespace.
    """
    with open("/proc/self/status", "rb", buffering=0) as file:
        status = file.read(8192)
    effective = int(status.partition(b"CapEff:")[2].split(None, 1)[0], 16)
    if effective >> _CAP_SYS_ADMIN & 1:
        return
    raise NotPermitted(
        "This root lacks the capability SYS_ADMIN, so it cannot make containers.",
        hint=_IN_CONTAINER
        if _in_container()
        else "Run it with full privileges: "
        "something that started it (a service, sudo, a sandbox) took them away.",
    )


def _join(member: int) -> bool:
    """Whether `member` has a user namespace of this user's, which is entered then.

    The kernel lets in who has made it, from where it was made (user_namespaces(7)).
    """
    from lamina.runtime import syscalls

    try:
        fd = os.open(f"/proc/{member}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        syscalls.setns(fd, syscalls.CLONE_NEWUSER)
    except OSError:
        # EINVAL: it is the one that this process is in; EPERM: somebody else's.
        return False
    finally:
        os.close(fd)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    _become_its_root()
    return True


def _become_its_root() -> None:
    try:  # noqa: SIM105 (contextlib is an import)
        os.setgroups([])
    except PermissionError:
        pass  # with a single id nobody may change them
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _enter_with_ids(uids: tuple[str, str], gids: tuple[str, str]) -> None:
    """Enter, with both maps written from outside: (tool, rows of the map)."""
    go, begin = os.pipe()
    said, say = os.pipe()
    inside = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(begin)
        _map_from_outside(inside, go, say, (uids, gids))
    os.close(go)
    os.close(say)
    try:
        _unshare()
        os.write(begin, b".")
    finally:
        os.close(begin)
        with open(said, encoding="utf-8", errors="replace") as file:
            complaint = file.read().strip()
        _, status = os.waitpid(helper, 0)
    if status:
        raise NotPermitted(
            "Your subordinate ids cannot be mapped: "
            f"{complaint or 'newuidmap or newgidmap failed'}.",
            hint="Check /etc/subuid and /etc/subgid, and that both tools are setuid "
            "root (`sudo apt-get install --reinstall uidmap`).",
        )
    _become_its_root()


def _map_from_outside(
    pid: int, go: int, say: int, maps: tuple[tuple[str, str], ...]
) -> NoReturn:
    """The helper: both tools at once, as soon as the namespace is there."""
    failed = 1
    try:
        if os.read(go, 1):
            speech = [(os.POSIX_SPAWN_DUP2, say, fd) for fd in (1, 2)]
            spawned = [
                os.posix_spawn(
                    tool, [tool, str(pid), *rows.split()], {}, file_actions=speech
                )
                for tool, rows in maps
            ]
            ended = [os.waitpid(child, 0)[1] for child in spawned]
            failed = int(any(ended))
    finally:
        os._exit(failed)


def _enter_alone() -> None:
    """Enter with one id, which a process may map by itself if it gives up setgroups."""
    uid, gid = os.getuid(), os.getgid()
    _unshare()
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as target:
            target.write(text)
    _become_its_root()


def _unshare() -> None:
    from lamina.runtime import syscalls

    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    except OSError as error:
        raise explain(error) from error


_IN_CONTAINER = (
    "This is a container itself: start it with `--privileged`, or with `--security-opt "
    "seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN`."
)
_SWITCHES = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
)


def explain(error: OSError, settings: str = "/proc/sys") -> NotPermitted:
    """Why a user namespace was refused, and what to do, by the kernel's settings."""
    for path, off, on in _SWITCHES:
        if _setting(f"{settings}/{path}") == off:
            name = path.replace("/", ".")
            return NotPermitted(
                f"This machine does not let users make namespaces ({name} is {off}).",
                hint=f"As root: `sysctl -w {name}={on}`, and the same line in "
                "/etc/sysctl.d/ to keep it; or run lamina as root.",
            )
    if error.errno == errno.ENOSPC:
        return NotPermitted(
            "No more user namespaces: the limit of this user is reached.",
            hint="As root: `sysctl -w user.max_user_namespaces=15000`.",
        )
    if _in_container():
        return NotPermitted(
            "This container does not let lamina make namespaces.", hint=_IN_CONTAINER
        )
    return NotPermitted(
        f"The kernel refuses a user namespace ({os.strerror(error.errno or 0)}).",
        hint="Run lamina as root, or look for what forbids it: a kernel without "
        "CONFIG_USER_NS, a chroot, a seccomp filter of the service that runs it.",
    )


def _setting(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _in_container() -> bool:
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv")))


def _tool(name: str) -> str:
    for folder in _TOOLS:
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    return ""


def _rows(own: int, ranges: tuple[Range, ...]) -> str:
    """A map for newuidmap: (inside, outside, how many) for each row."""
    rows, inside = [(0, own, 1)], 1
    for first, count in ranges:
        rows.append((inside, first, count))
        inside += count
    return " ".join(str(number) for row in rows for number in row)

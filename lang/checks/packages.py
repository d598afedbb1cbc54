"""Checks of what package managers install and leave behind."""

from __future__ import annotations

from lamina.lang.checks.rule import Found
from lamina.lang.checks.shell import ShellCommand
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.lang.checks.reading import Reading, RunReading
    from lamina.lang.checks.script import Script
    from lamina.lang.checks.shell import ShellWord

# Messages name so many packages.
_SHOWN = 3


@value
class Manager:
    """A package manager: how it is called, and how its packages are pinned.

    `valued` options take the next word; with one of `listed` the packages stand in a
    file, which may pin them. `pinned` tells of a word whether it has a version or is
    no package's name. `hint` says how to write one.
    """

    programs: tuple[str, ...]
    verbs: tuple[str, ...]
    valued: frozenset[str]
    pinned: Callable[[str], bool]
    hint: str
    listed: frozenset[str] = frozenset()


def _apt(word: str) -> bool:
    return any(sign in word for sign in "=/*") or word.endswith((".deb", "-", "+"))


def _pip(word: str) -> bool:
    return (
        any(sign in word for sign in "=<>~@/")
        or word.startswith(".")
        or word.endswith((".whl", ".zip", ".tar.gz"))
    )


def _npm(word: str) -> bool:
    if word.startswith("@"):
        return "@" in word[1:]
    return "@" in word or "/" in word or word.startswith(".") or word.endswith(".tgz")


def _apk(word: str) -> bool:
    return any(sign in word for sign in "=<>~:/!") or word.endswith(".apk")


def _rpm(word: str) -> bool:
    versioned = any(part[:1].isdigit() for part in word.split("-")[1:])
    special = any(sign in word for sign in "/*@=<>:") or word.endswith(".rpm")
    return versioned or special


_RPM_VALUED = frozenset(
    (
        *("-c", "--config", "--installroot", "--releasever", "--setopt", "--repo"),
        *("--repoid", "--enablerepo", "--disablerepo", "-x", "--exclude", "-d", "-e"),
        *("--excludepkgs", "--forcearch", "--errorlevel", "--debuglevel", "-R"),
    )
)
APT = Manager(
    ("apt-get", "apt", "aptitude"),
    ("install",),
    frozenset(
        (
            *("-t", "--target-release", "--default-release", "-o", "--option", "-c"),
            *("--config-file", "-a", "--host-architecture"),
        )
    ),
    _apt,
    "Write {0}=VERSION; `apt-cache madison {0}` lists them.",
)
PIP = Manager(
    ("pip", "pip3"),
    ("install",),
    frozenset(
        (
            *("-i", "--index-url", "--extra-index-url", "-t", "--target", "-f"),
            *("--find-links", "--trusted-host", "--proxy", "--cache-dir", "--timeout"),
            *("--retries", "--prefix", "--root", "--src", "--python-version", "-b"),
            *("--platform", "--abi", "--implementation", "--no-binary", "--log"),
            *("--only-binary", "--progress-bar", "--upgrade-strategy", "--python"),
            *("--exists-action", "--cert", "--client-cert", "--report", "-C"),
            *("--config-settings", "--global-option", "--root-user-action"),
            *("-r", "--requirement", "-c", "--constraint", "-e", "--editable"),
            *("--group", "--use-feature", "--keyring-provider"),
        )
    ),
    _pip,
    "Write {0}==VERSION, or list all in a file with versions and hashes: pip install "
    "-r FILE.",
    frozenset(
        (
            *("-r", "--requirement", "-c", "--constraint", "-e", "--editable"),
            *("--group", "--require-hashes"),
        )
    ),
)
NPM = Manager(
    ("npm",),
    ("install", "i", "add"),
    frozenset(
        (
            *("--registry", "--prefix", "--loglevel", "-w", "--workspace", "--tag"),
            *("--cache", "-C", "--omit", "--include", "--userconfig"),
        )
    ),
    _npm,
    "Write {0}@VERSION, or keep a package-lock.json and write npm ci.",
)
APK = Manager(
    ("apk",),
    ("add",),
    frozenset(
        (
            *("-t", "--virtual", "-X", "--repository", "-p", "--root", "--arch"),
            *("--keys-dir", "--repositories-file", "--wait", "--cache-dir"),
            *("--cache-max-age", "--timeout", "--progress-fd"),
        )
    ),
    _apk,
    "Write {0}=VERSION, or {0}~MAJOR.MINOR; `apk policy {0}` lists them.",
)
YUM = Manager(
    ("yum",),
    ("install",),
    _RPM_VALUED,
    _rpm,
    "Write {0}-VERSION; `yum --showduplicates list {0}` lists them.",
)
DNF = Manager(
    ("dnf", "microdnf", "dnf5"),
    ("install",),
    _RPM_VALUED,
    _rpm,
    "Write {0}-VERSION; `dnf list --showduplicates {0}` lists them.",
)


def unpinned_apt_package(reading: Reading) -> Iterator[Found]:
    """Without versions, the same recipe installs other packages next week."""
    return _unpinned(reading, APT)


def unpinned_pip_package(reading: Reading) -> Iterator[Found]:
    """Without versions, the same recipe installs other packages next week."""
    return _unpinned(reading, PIP)


def unpinned_npm_package(reading: Reading) -> Iterator[Found]:
    """Without versions, the same recipe installs other packages next week."""
    return _unpinned(reading, NPM)


def unpinned_apk_package(reading: Reading) -> Iterator[Found]:
    """Without versions, the same recipe installs other packages next week."""
    return _unpinned(reading, APK)


def unpinned_yum_package(reading: Reading) -> Iterator[Found]:
    """Without versions, the same recipe installs other packages next week."""
    return _unpinned(reading, YUM)


def unpinned_dnf_package(reading: Reading) -> Iterator[Found]:
    """Without versions, the same recipe installs other packages next week."""
    return _unpinned(reading, DNF)


def _unpinned(reading: Reading, manager: Manager) -> Iterator[Found]:
    for _, script, command in _calls(reading, manager, manager.verbs):
        if not manager.listed.isdisjoint(command.options(manager.valued)):
            continue
        packages = [
            word
            for word in command.operands(manager.valued)[1:]
            if word.literal and word.text and not manager.pinned(word.text)
        ]
        if packages:
            names = ", ".join(word.text for word in packages[:_SHOWN])
            more = len(packages) - _SHOWN
            yield Found(
                f"{command.name} installs any version of {names}"
                + (f" and {more} more" if more > 0 else ""),
                script.span(packages[0].start, packages[0].end),
                manager.hint.format(packages[0].text),
            )


def _calls(
    reading: Reading, manager: Manager, verbs: tuple[str, ...]
) -> Iterator[tuple[RunReading, Script, ShellCommand]]:
    """The commands of RUNs that call a package manager to do one of `verbs`."""
    for run in reading.runs:
        for script in run.scripts:
            if not script.may_call(*manager.programs):
                continue
            for command in map(_module, script.commands):
                if _program(command.name) in manager.programs:
                    operands = command.operands(manager.valued)
                    if operands and operands[0].text in verbs:
                        yield run, script, command


def _module(command: ShellCommand) -> ShellCommand:
    """`python -m pip install` is `pip install`."""
    words = command.words
    if len(words) > 2 and words[1].text == "-m" and "python" in command.name:
        return replace(command, words=words[2:])
    return command


def _program(name: str) -> str:
    """`pip3.12` is `pip3`."""
    return name.partition(".")[0] if name.startswith("pip") else name


def apt_lists_left(reading: Reading) -> Iterator[Found]:
    """`apt-get update` fetches lists that no container needs."""
    places = ("/var/lib/apt/lists",)
    for run, script, command in _leaving(reading, APT, ("update",), places):
        if not _says(run, ("apt-get", "apt"), "distclean"):
            yield _left(
                "The package lists stay in the layer",
                script,
                command,
                "End this RUN with `rm -rf /var/lib/apt/lists/*`, or give it --mount="
                "type=cache,target=/var/lib/apt/lists.",
            )


def apk_cache_left(reading: Reading) -> Iterator[Found]:
    """`apk add` keeps the index that it fetched."""
    places = ("/var/cache/apk", "/etc/apk/cache")
    for _, script, command in _leaving(reading, APK, ("add", "update"), places):
        options = command.options(APK.valued)
        if "--no-cache" not in options and "--cache-dir" not in options:
            yield _left(
                "The package index stays in the layer",
                script,
                command,
                "Write apk --no-cache add, or give the RUN --mount=type=cache,target="
                "/var/cache/apk.",
            )


def pip_cache_left(reading: Reading) -> Iterator[Found]:
    """pip keeps what it downloaded in the home folder."""
    variable = "PIP_NO_CACHE_DIR"
    for run, script, command in _leaving(reading, PIP, ("install",), ("/.cache",)):
        options = command.options(PIP.valued)
        if "--no-cache-dir" in options or "--cache-dir" in options:
            continue
        said = any(variable in one.text for one in run.scripts)
        if said or variable in reading.variables(run.stage):
            continue
        if not _says(run, PIP.programs, "purge"):
            yield _left(
                "What pip downloads stays in the layer",
                script,
                command,
                "Write pip install --no-cache-dir, or give the RUN --mount=type=cache,"
                "target=/root/.cache/pip.",
            )


def yum_cache_left(reading: Reading) -> Iterator[Found]:
    """yum keeps metadata and packages."""
    return _rpm_cache(reading, YUM, ("/var/cache/yum", "/var/cache/dnf"))


def dnf_cache_left(reading: Reading) -> Iterator[Found]:
    """dnf keeps metadata and packages."""
    return _rpm_cache(
        reading, DNF, ("/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum")
    )


def _rpm_cache(
    reading: Reading, manager: Manager, places: tuple[str, ...]
) -> Iterator[Found]:
    verbs = ("install", "update", "upgrade", "groupinstall")
    for run, script, command in _leaving(reading, manager, verbs, places):
        if not _says(run, (*YUM.programs, *DNF.programs), "clean"):
            yield _left(
                "Metadata and packages stay in the layer",
                script,
                command,
                f"End this RUN with `{command.name} clean all`, or give it --mount="
                f"type=cache,target={places[0]}.",
            )


def _leaving(
    reading: Reading,
    manager: Manager,
    verbs: tuple[str, ...],
    places: tuple[str, ...],
) -> Iterator[tuple[RunReading, Script, ShellCommand]]:
    """Calls whose leavings in `places` get into an image: nothing deletes them in the
    same RUN, no mount lies over them, and the stage is not thrown away."""
    done = -1
    for found in _calls(reading, manager, verbs):
        run = found[0]
        if run.run.test or run.stage.index not in reading.products:
            continue
        if run.run.span.start != done and not _cleaned(run, places):
            done = run.run.span.start
            yield found


def _cleaned(run: RunReading, places: tuple[str, ...]) -> bool:
    return any(_mounted(run, place) for place in places) or any(
        command.name in ("rm", "find")
        and any(place in word.text for word in command.words for place in places)
        for _, command in run.commands
    )


def _mounted(run: RunReading, place: str) -> bool:
    """Whether a mount whose files are in no layer lies over `place`. A place without
    a root (`/.cache`) is in anybody's home."""
    for mount in run.run.mounts:
        fields = dict(mount.fields)
        kind, target = fields.get("type"), fields.get("target")
        if kind is None or target is None or kind.text not in ("cache", "tmpfs"):
            continue
        path = target.text.rstrip("/")
        if target.parts is not None or f"{place}/".startswith(f"{path}/"):
            return True
        if place == "/.cache" and (place in path or path.endswith(("/root", "/pip"))):
            return True
    return False


def _says(run: RunReading, programs: tuple[str, ...], verb: str) -> bool:
    """Whether a RUN calls one of `programs` with `verb` among its words."""
    return any(
        _program(_module(command).name) in programs
        and any(word.text == verb for word in command.words)
        for _, command in run.commands
    )


def _left(message: str, script: Script, command: ShellCommand, hint: str) -> Found:
    words: tuple[ShellWord, ...] = command.words
    return Found(message, script.span(words[0].start, words[-1].end), hint)

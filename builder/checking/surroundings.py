"""Surroundings of a recipe, from the store, `.dockerignore` and the machine."""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.lang.checks.surroundings import BaseFacts, Surroundings
from lamina.lang.nodes import Shell
from lamina.lang.parser import triggered
from lamina.lang.source import Source, Span
from lamina.lang.variables import set_by
from lamina.oci.store.images import SHOWN_DIGITS
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.sources.ignore import Ignore
    from lamina.lang.nodes import Instruction
    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Store

# Only these leave all of a context out (`COPY . /app`).
_EVERYTHING = ("*", "**", "**/*")


def surroundings(
    store: Callable[[], Store | None], ignore: bytes, platform: str
) -> Surroundings:
    """What the checks may know. `store` is called when a base is first asked for and
    may give None; `ignore` is the text of `.dockerignore`."""
    return Surroundings(
        base=_Bases(store),
        is_image_name=is_image_name,
        ignored=_Ignored(ignore),
        platform=platform,
    )


def with_shellcheck(around: Surroundings, path: str, jobs: int) -> Surroundings | None:
    """The same with ShellCheck, looked for in `path`; None where there is none."""
    from lamina.builder.checking.shellcheck import examiner, find_shellcheck

    program = find_shellcheck(path)
    if program is None:
        return None
    return replace(around, examine=examiner(program, jobs))


def is_image_name(name: str) -> bool:
    """Whether a base may be called so."""
    from lamina.oci.reference import parse_reference

    try:
        parse_reference(name)
    except LaminaError:
        return False
    return True


class _Bases:
    """Facts of the images in the store, each looked up once."""

    def __init__(self, store: Callable[[], Store | None]) -> None:
        self._open = store
        self._opened = False
        self._store: Store | None = None
        self._known: dict[str, BaseFacts | None] = {}

    def __call__(self, name: str) -> BaseFacts | None:
        if name not in self._known:
            if not self._opened:
                self._opened, self._store = True, self._open()
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> BaseFacts | None:
        if self._store is None or not is_image_name(name):
            return None
        identity = self._store.resolve_id(name, digits=SHOWN_DIGITS)
        if identity is None:
            return None
        config = self._store.image(identity).config
        variables = {line.partition("=")[0] for line in config.env}
        shell = config.shell or ()
        for trigger in _triggers(config):
            variables |= set_by(trigger)
            shell = trigger.args if isinstance(trigger, Shell) else shell
        return BaseFacts(
            frozenset(variables),
            shell,
            config.working_dir,
            f"{config.os}/{config.architecture}",
            self._platforms(name),
        )

    def _platforms(self, name: str) -> tuple[str, ...]:
        """Of an image for several platforms, all of them."""
        from lamina.oci.store.image_index import members

        assert self._store is not None
        identity = self._store.resolve_any(name, SHOWN_DIGITS)
        found = members(self._store, identity) if identity else ()
        return tuple(member.platform for member in found)


def _triggers(config: ImageConfig) -> tuple[Instruction, ...]:
    """What the image makes run in a stage that stands on it."""
    nowhere = Span(Source("ONBUILD", ""), 0, 0)
    return triggered(config.on_build, "\\", nowhere)


class _Ignored:
    """The pattern that hides a path. Exceptions (`!`) may bring anything back, so
    with them nothing is said, as BuildKit does."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._patterns: Ignore | None = None

    def __call__(self, path: str) -> str:
        if self._patterns is None:
            self._patterns = _patterns(self._text)
        found = self._patterns
        if not found or found.has_exceptions:
            return ""
        if path == ".":
            return next((p for p in found.patterns if p in _EVERYTHING), "")
        return found.reason(path)


def _patterns(text: bytes) -> Ignore:
    from lamina.builder.sources.ignore import NOTHING_IGNORED, parse_ignore

    try:
        return parse_ignore(text.decode(errors="replace"), ".dockerignore")
    except LaminaError:
        return NOTHING_IGNORED  # the build itself says what is wrong with it

"""StageState: what a stage is at one line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lamina.builder import history
from lamina.lang.expand import expand
from lamina.oci.config import ImageConfig
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.nodes import Word

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
NOTHING: Mapping[str, str] = MappingProxyType({})


@value
class StageState:
    """`env` is what words expand with (ENV and ARG, the last writer wins), `args` the
    ARGs in scope (None: one without a value), `tip` the step whose files the next one
    stands on."""

    index: int
    title: str
    config: ImageConfig
    tip: int
    env: Mapping[str, str] = NOTHING
    args: Mapping[str, str | None] = MappingProxyType({})
    has_cmd: bool = False

    def expand(self, word: Word, escape: str) -> str:
        return expand(word, self.env, escape)


def noted(state: StageState, text: str) -> StageState:
    """After an instruction that made no layer, with what history says of it."""
    entries = (*state.config.history, history.empty(text))
    return replace(state, config=replace(state.config, history=entries))


def layered(state: StageState, text: str) -> StageState:
    """After an instruction that made a layer, with what history says of it."""
    entries = (*state.config.history, history.layer(text))
    return replace(state, config=replace(state.config, history=entries))

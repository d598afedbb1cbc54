"""StageState: what a stage is at one line."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.builder.planning import history
from lamina.lang.expand import expand
from lamina.oci.config import History, ImageConfig
from lamina.values import EMPTY, replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.words import Word

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")


@value
class StageState:
    """`env` is what words expand with (ENV and ARG, the last writer wins), `args` the
    ARGs in scope (None: one without a value), `tip` the step whose files the next one
    stands on. `variables` are the image's own (None: those in `config.env`, as the base
    has them); they get there when the stage is done. `size` counts what the history of
    its own instructions says."""

    index: int
    title: str
    config: ImageConfig
    tip: int
    env: Mapping[str, str] = EMPTY
    args: Mapping[str, str | None] = EMPTY
    has_cmd: bool = False
    variables: Mapping[str, str] | None = None
    size: int = 0

    @property
    def image_env(self) -> Mapping[str, str]:
        """The variables that the image sets."""
        if self.variables is not None:
            return self.variables
        return dict(pair.partition("=")[::2] for pair in self.config.env)

    @property
    def finished(self) -> ImageConfig:
        """The config, with the variables written out."""
        if self.variables is None:
            return self.config
        env = tuple(f"{name}={given}" for name, given in self.variables.items())
        return replace(self.config, env=env)

    def expand(self, word: Word, escape: str) -> str:
        return expand(word, self.env, escape)


def noted(state: StageState, text: str) -> StageState:
    """After an instruction that made no layer, with what history says of it."""
    return _with_history(state, history.empty(text), text)


def layered(state: StageState, text: str) -> StageState:
    """After an instruction that made a layer, with what history says of it."""
    return _with_history(state, history.layer(text), text)


def _with_history(state: StageState, entry: History, text: str) -> StageState:
    config = replace(state.config, history=(*state.config.history, entry))
    return replace(state, config=config, size=state.size + len(text))

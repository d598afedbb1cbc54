"""Graph: the steps that a target needs, each with what it reads.

A `Step` is a vertex; its `parent` is the step whose files it stands on and `reads`
the steps whose files it copies. Every word is expanded, every base is pinned: what
a graph says depends on nothing but itself and the build context.
"""

from __future__ import annotations

from lamina.lang.source import Span
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.values import value

# `origin` of what no step made: the build context, and nothing at all.
CONTEXT_ORIGIN = -1
CACHE_ORIGIN = -2
# The first of the named contexts that are folders; the next ones count down.
FOLDER_ORIGIN = -3


@value
class BaseOp:
    """A stage's base: the layers of an image, none for scratch, and its ID, if any."""

    name: str
    layers: tuple[Digest, ...]
    image: str = ""


@value
class Inline:
    """A file whose content stands in the recipe (a heredoc)."""

    name: str
    body: str


@value
class RunMount:
    """A `RUN --mount`. `origin` is a step, CONTEXT_ORIGIN or CACHE_ORIGIN."""

    kind: str
    target: str
    source: str = ""
    origin: int = CONTEXT_ORIGIN
    writable: bool = False
    id: str = ""
    sharing: str = "shared"
    size: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    required: bool = False
    env: str = ""


@value
class RunOp:
    """A process in the parent's files: argv, `KEY=value` environment, where, who.

    `test`: its changes are thrown away, only how it ends counts. `no_cache`: it is
    always run; `max_age` (ns, 0 = any): a result that is older counts for nothing.
    `hosts` are lines for /etc/hosts, as (name, address).
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    network: str
    security: str
    scripts: tuple[Inline, ...] = ()
    mounts: tuple[RunMount, ...] = ()
    test: bool = False
    no_cache: bool = False
    max_age: int = 0
    hosts: tuple[tuple[str, str], ...] = ()


@value
class CopyOp:
    """Files from the context (CONTEXT_ORIGIN), a step, or the recipe itself.

    `dest` is absolute; a trailing slash is kept, since it means a directory.
    `chown` and `chmod` are as written, names and all: they are looked up in the
    files of the parent. `quirks` names what of `lang.quirks` counts, where the result
    can be another one with it.
    """

    add: bool
    sources: tuple[str, ...]
    inline: tuple[Inline, ...]
    dest: str
    origin: int = CONTEXT_ORIGIN
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    unpack: bool | None = None
    if_exists: bool = False
    quirks: tuple[str, ...] = ()
    keep_git_dir: bool = False

    @property
    def is_detached(self) -> bool:
        """Whether the layer is the same on any parent: with `link`, unless the owner
        is a name, which only the parent's /etc/passwd knows."""
        user, _, group = self.chown.partition(":")
        numbers = user.isdecimal() and (group or "0").isdecimal()
        return self.link and (numbers or not self.chown)


@value
class WorkdirOp:
    """`mkdir -p` as the current user."""

    path: str
    user: str
    quirks: tuple[str, ...] = ()


Operation = BaseOp | RunOp | CopyOp | WorkdirOp


@value
class Step:
    """A vertex. `name` is what people read: `[stage 2/5] RUN make`; `platform` is that
    of its stage, `os/arch[/variant]`; `stage` what that is called."""

    index: int
    name: str
    operation: Operation
    parent: int
    span: Span | None
    platform: str = ""
    stage: str = ""

    @property
    def is_test(self) -> bool:
        """Whether nothing can stand on this step: it makes no layer."""
        return isinstance(self.operation, RunOp) and self.operation.test

    @property
    def reads(self) -> tuple[int, ...]:
        """The other steps whose files this one reads."""
        operation = self.operation
        if isinstance(operation, CopyOp):
            return (operation.origin,) if operation.origin >= 0 else ()
        if isinstance(operation, RunOp):
            return tuple(m.origin for m in operation.mounts if m.origin >= 0)
        return ()

    @property
    def inputs(self) -> tuple[int, ...]:
        """All the edges into this vertex."""
        return ((self.parent,) if self.parent >= 0 else ()) + self.reads


@value
class Product:
    """An image that a build makes: the name of its stage, the step whose files are
    the image's, and its config but for `created` and diff_ids, which only the layers
    tell."""

    name: str
    tip: int
    config: ImageConfig


@value
class Graph:
    """Steps in an order in which each comes after its inputs, and what comes of them.

    `notes` is what the recipe's writer should know and what stops nothing.
    """

    steps: tuple[Step, ...]
    products: tuple[Product, ...]
    platform: str
    notes: tuple[str, ...] = ()

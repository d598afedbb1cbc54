"""BuildInputs: all that a build's result depends on, and how to carry it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lamina.builder.inputs.epoch import Epoch
from lamina.builder.inputs.recipe import RecipeInputs
from lamina.values import EMPTY, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.inputs.cache_places import CacheSource
    from lamina.oci.registry.session import Session
    from lamina.runtime.spec import Rlimit

# The variables that reach steps without an ARG, and no key.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@value
class BuildInputs:
    """All that a build's result depends on, and how to carry it out.

    Maps and lists are by name or id; numbers of bytes are 0 where there is no limit.
    """

    recipe: RecipeInputs
    # A folder, "" for none; and the patterns of what it leaves out, as they were read.
    context: str
    ignore: bytes
    # Of this machine, `os/arch[/variant]`.
    platform: str
    epoch: Epoch

    # What is built: stages, none for the last one, or every stage that has a name; for
    # which platforms, () for this machine's; with or without its TESTs.
    targets: tuple[str, ...] = ()
    all_targets: bool = False
    platforms: tuple[str, ...] = ()
    tests: bool = True
    build_args: Mapping[str, str] = EMPTY
    labels: Mapping[str, str] = EMPTY
    # Make one layer of what the "build" adds, or of "all".
    squash: str = ""
    # Drop what package managers leave behind.
    scrub: bool = False

    # Where things come from. Contexts beside the one: an absolute folder or an address
    # (planning/contexts.py).
    contexts: Mapping[str, str] = EMPTY
    # The recipe is from elsewhere: it may read no repository of this machine.
    elsewhere: bool = False
    # Opens a session with registries; None: none is asked. `pull`: even for a base that
    # is here.
    registries: Callable[[], Session] | None = None
    pull: bool = False
    # Variables that find git and its agent.
    tools: Mapping[str, str] = EMPTY
    # The largest file that is fetched (0: fetching/downloads.py), and what an ADD may
    # unpack from one archive (0: fetching/unpacking.py).
    download_limit: int = 0
    unpack_limit: int = 0

    # The cache: which steps run though it has their result, which caches of other
    # machines are asked, in their order, and whether a step that runs says why.
    no_cache: bool = False
    fresh_stages: tuple[str, ...] = ()
    fresh_caches: bool = False
    cache_from: tuple[CacheSource, ...] = ()
    explain: bool = False

    # What steps have. `network` is that of steps that name none; `hosts` are lines for
    # /etc/hosts; `allow` is what RUN may ask for beyond isolation
    # (planning/entitlements.py).
    network: str = "default"
    hosts: tuple[tuple[str, str], ...] = ()
    allow: frozenset[str] = frozenset()
    # What reaches steps and no key: files of secrets, sockets or key files of agents,
    # proxies, and limits of each step (`shm_size` 0: 64 MiB).
    secrets: Mapping[str, str] = EMPTY
    ssh: Mapping[str, tuple[str, ...]] = EMPTY
    proxies: Mapping[str, str] = EMPTY
    ulimits: tuple[Rlimit, ...] = ()
    shm_size: int = 0
    memory: int = 0
    cpus: float = 0

    # So many steps at once; and whether a failure ends only what stands on it.
    jobs: int = 2
    keep_going: bool = False

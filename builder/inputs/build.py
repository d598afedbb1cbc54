"""BuildInputs: all that a build's result depends on, and how to carry it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lamina.builder.inputs.epoch import Epoch
from lamina.builder.inputs.recipe import RecipeInputs
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.inputs.cache_places import CacheSource
    from lamina.oci.registry.session import Session
    from lamina.runtime.spec import Rlimit

NOTHING: Mapping[str, str] = MappingProxyType({})
NO_AGENTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@value
class BuildInputs:
    """All that a build's result depends on, and how to carry it out.

    `ignore` is the patterns of what the context leaves out, as they were read;
    `context` is a folder, "" for none; `platform` is
    `os/arch[/variant]` of this machine and `platforms` those to build for, () for the
    same; `squash` makes one layer of what the "build" adds, or of "all"; `secrets` are
    files by id. `scrub` drops what package
    managers leave behind; `targets` are stages by name, none for the last one, and
    `all_targets` is every stage that has a name; `tests` false leaves TEST out;
    `fresh_stages` are those of which no RUN, COPY or ADD is taken from the cache;
    `fresh_caches` empties a cache mount before its first use;
    `explain`: every step is asked for, and told why it ran;
    `proxies` reach steps and no key; `network` is that of
    steps that name none. `ssh` are agents' sockets or key files by id; `allow` is what
    RUN may ask for beyond isolation (planning/entitlements.py); `hosts` are names and
    addresses for the steps' /etc/hosts; `shm_size` (bytes, 0: 64 MiB) and `ulimits`
    hold for every step and are in no key, as is `unpack_limit`: the bytes that an ADD
    may unpack from one archive (0: what sources/unpacking.py thinks reasonable).
    `registries` opens a session with registries, None: none is asked. `contexts` are
    further ones by name: an absolute folder, or an address (planning/contexts.py);
    `tools` are the variables that find git and its agent, `download_limit` is the
    largest file that is fetched (bytes, 0: sources/remote.py), and `elsewhere` says
    that the recipe came from elsewhere: it may read no repository of this machine.
    `memory` (bytes) and `cpus` limit each step, 0: not; with `keep_going` a failure
    ends only what stands on it. `cache_from` are the caches of other machines, asked
    in their order for what this one does not know.
    """

    recipe: RecipeInputs
    context: str
    ignore: bytes
    platform: str
    epoch: Epoch
    targets: tuple[str, ...] = ()
    all_targets: bool = False
    tests: bool = True
    build_args: Mapping[str, str] = NOTHING
    labels: Mapping[str, str] = NOTHING
    scrub: bool = False
    no_cache: bool = False
    fresh_stages: tuple[str, ...] = ()
    fresh_caches: bool = False
    pull: bool = False
    jobs: int = 2
    network: str = "default"
    secrets: Mapping[str, str] = NOTHING
    proxies: Mapping[str, str] = NOTHING
    explain: bool = False
    ssh: Mapping[str, tuple[str, ...]] = NO_AGENTS
    allow: frozenset[str] = frozenset()
    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 0
    ulimits: tuple[Rlimit, ...] = ()
    unpack_limit: int = 0
    platforms: tuple[str, ...] = ()
    squash: str = ""
    contexts: Mapping[str, str] = NOTHING
    tools: Mapping[str, str] = NOTHING
    download_limit: int = 0
    elsewhere: bool = False
    registries: Callable[[], Session] | None = None
    memory: int = 0
    cpus: float = 0
    keep_going: bool = False
    cache_from: tuple[CacheSource, ...] = ()

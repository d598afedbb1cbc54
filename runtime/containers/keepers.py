"""Starting what is to keep a container, before it is known what that needs."""

from __future__ import annotations

from lamina.runtime.isolation import booting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.isolation.zygote import Zygote

_PROGRAM = "lamina.runtime.keeper.program"


def begin_keeper() -> None:
    """Have a keeper boot for the first one that `start_keeper` is asked for.

    For root's process, and a container in a pid namespace of its own; another one boots
    in its place otherwise.
    """
    booting.begin(_PROGRAM)


def start_keeper(root: str, network: str, pid: str, runtime: str = "") -> Zygote:
    """A zygote for one container of the store at `root`; it boots in the background.

    `network`, `pid` and `runtime` are as in the container's Options.
    """
    from lamina.runtime.containers.endpoints import is_networked
    from lamina.runtime.isolation.zygote import Options, Zygote

    networked = is_networked(network)
    return Zygote.start(
        Options(
            keep=(root, *(("/run/lamina",) if networked else ())),
            warm=False,
            program=_PROGRAM,
            network=networked,
            # From a pid namespace of its own nobody can enter another one.
            own_pids=not pid,
            foreign=runtime not in ("", "lamina"),
        )
    )

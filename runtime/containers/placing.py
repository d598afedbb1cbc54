"""The cgroup of a container that has a parent of the user's: `--cgroup-parent`."""

from __future__ import annotations

from lamina.runtime.cgroups import chosen
from lamina.runtime.cgroups.hierarchy import hierarchies
from lamina.runtime.cgroups.parents import is_slice, make_named, path_below
from lamina.runtime.containers import state
from lamina.runtime.errors import NoSystemd
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.containers.state import Container
    from lamina.runtime.owner import Owner
    from lamina.runtime.spec import Resources


def cgroup_below(
    root: str, container: Container, owner: Owner, resources: Resources
) -> Cgroup:
    """The cgroup that is called as the container; raises LimitError.

    Its name tells no owner, as Lamina's others do: the state does, before it is made.
    A slice is systemd's, who is asked for a scope there.
    """
    options = container.options
    if is_slice(options.cgroup_parent):
        from lamina.runtime.cgroups.scoped import manager
        from lamina.runtime.containers import scoping

        if asked := manager():
            above = options.cgroup_parent
            return scoping.in_scope(asked, container, owner, resources, above)
    path = path_below(options.cgroup_parent, container.id, hierarchies())
    known = state.load_state(root, container.id)
    state.save_state(root, container.id, replace(known, keeper=owner, cgroup=path))
    if options.runtime not in ("", "lamina"):
        make_named(path)
    return chosen.below(path, resources)


def scoped(
    container: Container, owner: Owner, resources: Resources, instead: Cgroup
) -> tuple[Cgroup, str]:
    """A cgroup with limits from the systemd of a user who can make none, and what is
    not limited; `instead` where there is no systemd to ask, or it does not answer."""
    from lamina.runtime.cgroups.scoped import manager
    from lamina.runtime.containers import scoping

    asked = manager()
    if not asked:
        return instead, instead.warning
    try:
        group = scoping.in_scope(asked, container, owner, resources)
    except NoSystemd as error:
        return instead, f"{instead.warning}; {error}"
    return group, group.warning

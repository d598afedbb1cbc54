"""Operation: one step of a mount plan, as data.

mounts.py decides on them, assembly.py carries them out in the child, which they reach
as tuples of their fields.
"""

from __future__ import annotations

from lamina.values import value


@value
class Operation:
    """One thing to do. `verb` is

    mount    a new file system of `type` with `options` on `target`
    bind     the mount that is number `index` of the given descriptors
    node     a device node, with the options device, mode and owner
    link     a symbolic link to `source`
    adopt    the tree that was built early as `target` gets its place in the root
    console  the terminal's slave on /dev/console
    mask     nothing is to be seen of `target`, where it exists
    readonly `target`, where it exists; the root itself when it is /
    """

    verb: str
    target: str
    type: str = ""
    source: str = ""
    options: tuple[tuple[str, str], ...] = ()
    attributes: int = 0
    index: int = -1
    propagation: int = 0
    copies_up: bool = False

    def wire(self) -> tuple[object, ...]:
        """The fields as what marshal can carry; `Operation(*fields)` is it again."""
        return tuple(self.__dict__.values())

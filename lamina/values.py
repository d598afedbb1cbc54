"""Frozen values: the dataclass idiom at a price that every command can pay.

`dataclasses` costs a process 30 ms to import (it needs `inspect`) and about 1 ms
for each class it decorates (it compiles source text); a cached build and `run`
have some 60 ms in all. `value` gives the same classes for 20 microseconds each.
Type checkers see dataclasses (PEP 681). See docs/decisions/0002-lean-start.md.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself costs 15 ms to import
    from collections.abc import Mapping
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda function: function


# A default for mappings. Its type is types.MappingProxyType, without that import.
EMPTY: Mapping[str, Any] = type(type.__dict__)({})

_MISSING: Any = object()


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make `cls` a frozen value: fields from its annotations, defaults from its body.

    Values of one class are equal when their fields are; they hash, print and match
    by position. A default is shared by all instances, so it has to be immutable
    (tuples, strings, `EMPTY`). A `check` method, where there is one, runs last in
    construction and raises on a value that may not exist.
    """
    own: Any = cls
    fields = {n: cls.__dict__.get(n, _MISSING) for n in cls.__annotations__}
    own.__fields__ = fields
    setattr(own, "__match_args__", tuple(fields))  # noqa: B010 (mypy: frozen)
    own.__checked__ = hasattr(cls, "check")
    own.__init__ = _init
    own.__setattr__ = _frozen
    own.__delattr__ = _frozen
    for name, method in (("__eq__", _eq), ("__hash__", _hash), ("__repr__", _repr)):
        if name not in cls.__dict__:
            setattr(cls, name, method)
    return cls


def replace(old: T, **changes: Any) -> T:
    """A new value that differs from `old` in the named fields."""
    unknown = changes.keys() - old.__dict__.keys()
    if unknown:
        raise TypeError(f"{type(old).__name__} has no field {min(unknown)!r}")
    new: Any = object.__new__(type(old))
    new.__dict__.update(old.__dict__)
    new.__dict__.update(changes)
    if new.__checked__:
        new.check()
    return new  # type: ignore[no-any-return]


def _init(self: Any, *args: Any, **named: Any) -> None:
    fields = self.__fields__
    if named or len(args) != len(fields):
        self.__dict__.update(_bind(type(self), fields, args, named))
    else:
        self.__dict__.update(zip(fields, args))  # noqa: B905 (strict costs a fifth)
    if self.__checked__:
        self.check()


def _bind(
    cls: type, fields: dict[str, Any], args: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """Positional and named arguments to fields, as Python binds a signature."""
    if len(args) > len(fields):
        raise TypeError(f"{cls.__name__} takes {len(fields)} values, got {len(args)}")
    state = dict(zip(fields, args, strict=False))
    for name, given in named.items():
        if name not in fields or name in state:
            raise TypeError(f"{cls.__name__} has no free field {name!r}")
        state[name] = given
    for name, default in fields.items():
        if name not in state:
            if default is _MISSING:
                raise TypeError(f"{cls.__name__} needs the field {name!r}")
            state[name] = default
    return {name: state[name] for name in fields}


def _frozen(self: object, name: str, _value: object = None) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} is frozen; use values.replace")


def _eq(self: object, other: object) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    same: bool = self.__dict__ == other.__dict__
    return same


def _hash(self: object) -> int:
    return hash((type(self), *self.__dict__.values()))


def _repr(self: object) -> str:
    inner = ", ".join(f"{name}={given!r}" for name, given in self.__dict__.items())
    return f"{type(self).__name__}({inner})"

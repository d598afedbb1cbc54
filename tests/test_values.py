"""values.value: the dataclass idiom, frozen."""

from __future__ import annotations

import pytest

from lamina.values import replace, value


@value
class Point:
    x: int
    y: int = 0

    def check(self) -> None:
        assert self.y >= 0, "y may not be negative"


@value
class Pair:
    x: int
    y: int = 0


def test_fields_come_by_position_by_name_and_by_default() -> None:
    assert Point(1, 2) == Point(y=2, x=1)
    assert Point(1).y == 0


def test_a_value_never_changes() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert replace(point, x=2) == Point(2)
    assert point == Point(1)


def test_values_are_equal_within_their_class_only() -> None:
    other: object = Pair(1, 2)
    assert Point(1, 2) != other
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_wrong_arguments_are_programming_errors() -> None:
    with pytest.raises(TypeError, match="needs the field 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes 2 values"):
        Point(1, 2, 3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no free field"):
        Point(1, x=1)  # type: ignore[misc]


def test_a_check_refuses_what_may_not_exist() -> None:
    with pytest.raises(AssertionError, match="negative"):
        Point(1, -1)


def test_values_print_and_match() -> None:
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)

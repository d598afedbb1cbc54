"""Where a value was written."""

from __future__ import annotations

from lamina.services.compose.places import Place, Places

IMAGE = Place("compose.yaml", 3, 12, "    image: Nginx")
PLACES = Places({("services", "web", "image"): IMAGE, (): Place("compose.yaml", 1, 1)})


def test_a_value_has_its_place() -> None:
    assert str(PLACES.find("services", "web", "image")) == "compose.yaml:3:12"


def test_what_was_made_up_has_the_place_of_what_is_around_it() -> None:
    assert PLACES.find("services", "web", "image", "x", 0) == IMAGE
    assert str(PLACES.find("networks", "default")) == "compose.yaml:1:1"


def test_an_error_shows_the_line() -> None:
    error = PLACES.error("No such image.", "services", "web", "image", hint="Try a.")
    assert (error.place, error.hint) == ("compose.yaml:3:12", "Try a.")
    assert error.excerpt == "    3 | >>>     image: Nginx\n" + " " * 23 + "^"


def test_of_a_long_line_the_part_around_the_place_is_shown() -> None:
    place = Place("-", 1, 501, "a" * 500 + "b" + "c" * 500)
    line, mark = place.excerpt.splitlines()
    assert line[mark.index("^")] == "b"
    assert len(line) < 200


def test_what_would_steer_a_terminal_is_shown_as_a_picture() -> None:
    assert "\x1b" not in Place("-", 1, 1, "\x1b[2J").excerpt

"""cli.registries.transfers: what is seen of blobs on their way."""

from __future__ import annotations

import io

from lamina.cli.registries.transfers import Lines, Live, Notes, view
from lamina.oci.digest import Digest
from lamina.oci.registry.progress import Ended, Found, Moved, Noted
from tests.cli.progress.screens import glass

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


def test_a_line_for_each_blob_on_a_terminal() -> None:
    with glass(80, 24) as screen:
        show = view(False, screen.stream)
        assert isinstance(show, Live)
        show(Moved("pull", ONE, 0, 2_000_000))
        show(Moved("pull", TWO, 500_000, 1_000_000))
        show._draw()
        half = screen.wait_for(lambda lines: len(lines) == 2)
        assert half[0].startswith(f"{ONE.short}: Pulling [>")
        assert half[1] == f"{TWO.short}: Pulling [===============>              ] " + (
            "500kB/1MB"
        )
        show(Noted("something"))
        show(Ended(TWO, "pulled"))
        show(Ended(ONE, "exists"))
        show.close()
        left = screen.close()
    assert left == [
        "lamina: warning: something",
        f"{ONE.short}: Already exists",
        f"{TWO.short}: Pull complete",
    ]


def test_more_blobs_than_a_terminal_has_lines() -> None:
    digests = [Digest.of(b"%d" % number) for number in range(12)]
    with glass(40, 6) as screen:
        show = view(False, screen.stream)
        for digest in digests:
            show(Moved("push", digest, 1, 10))
            show._draw()  # type: ignore[attr-defined]
        for digest in digests:
            show(Ended(digest, "pushed"))
        show.close()
        left = screen.close()
    # All have scrolled by, each once.
    assert left == [f"{digest.short}: Pushed" for digest in digests[-5:]]


def test_what_was_compressed_goes_on_as_a_blob() -> None:
    with glass(80, 24) as screen:
        show = view(False, screen.stream)
        show(Moved("compress", ONE, 10, 10))
        show(Ended(ONE, "compressed"))
        show(Moved("push", TWO, 5, 5))
        show(Ended(TWO, "mounted"))
        show.close()
        assert screen.close() == [f"{TWO.short}: Mounted"]


def test_a_line_for_each_end_in_a_pipe() -> None:
    out = io.StringIO()
    show = view(False, out)
    assert isinstance(show, Lines)
    for event in (
        Found("app", ONE),
        Moved("push", ONE, 0, 10),
        Ended(ONE, "compressed"),
        Ended(TWO, "pushed"),
        Noted("it is old"),
    ):
        show(event)
    show.close()
    assert out.getvalue() == (f"{TWO.short}: Pushed\nlamina: warning: it is old\n")


def test_what_a_registry_says_steers_no_terminal() -> None:
    out = io.StringIO()
    Lines(out)(Noted("The image is for linux/\x1b[2J."))
    assert out.getvalue() == "lamina: warning: The image is for linux/␛[2J.\n"


def test_quiet_is_not_silent() -> None:
    out = io.StringIO()
    show = view(True, out)
    assert type(show) is Notes
    show(Ended(TWO, "pushed"))
    show(Noted("it is old"))
    assert out.getvalue() == "lamina: warning: it is old\n"

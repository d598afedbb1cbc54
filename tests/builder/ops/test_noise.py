"""builder.noise: what package managers leave behind."""

from __future__ import annotations

from pathlib import Path

from lamina.builder.ops.noise import scrub


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("noise")


def test_noise_goes_and_the_rest_stays(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    noise = ("var/log/dpkg.log", "var/cache/ldconfig/aux-cache", "etc/passwd-")
    write(upper, *noise, "etc/passwd", "var/log/app.log", "usr/bin/x")
    assert sorted(scrub(str(upper), ())) == sorted(noise)
    left = sorted(str(p.relative_to(upper)) for p in upper.rglob("*") if p.is_file())
    assert left == ["etc/passwd", "usr/bin/x", "var/log/app.log"]


def test_what_the_layers_below_have_is_emptied(tmp_path: Path) -> None:
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    write(upper, "etc/machine-id")
    write(lower, "etc/machine-id")
    scrub(str(upper), (str(lower),))
    assert (upper / "etc/machine-id").read_text() == ""


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "log/dpkg.log", "machine-id")
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "var").symlink_to(outside)
    (upper / "etc").symlink_to(outside)
    assert scrub(str(upper), ()) == ()
    assert (outside / "log/dpkg.log").read_text() == "noise"

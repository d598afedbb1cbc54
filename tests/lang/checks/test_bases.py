"""FROM: images, tags, platforms."""

from __future__ import annotations

import pytest

from lamina.lang.checks.surroundings import BaseFacts, Surroundings
from tests.lang.checks.places import findings, places

CASES = {
    "FromPlatformFlagConstDisallowed": [
        ("FROM --platform=linux/amd64 a AS build", ["1:17 linux/amd64"]),
        ("FROM --platform=linux/arm64 a", ["1:17 linux/arm64"]),
        ("FROM --platform=linux/amd64 a AS build_amd64", []),
        ("FROM --platform=linux/arm64 a AS on-linux", []),
        ("FROM --platform=$BUILDPLATFORM a AS build", []),
        ("FROM --platform=linux/${ARCH} a", []),
    ],
    "LatestBase": [
        ("FROM debian:latest", ["1:6 debian:latest"]),
        ("ARG T=latest\nFROM debian:$T", ["2:6 debian:$T"]),
        ("FROM debian:bookworm\nFROM latest:1", []),
    ],
    "RedundantTargetPlatform": [
        ("FROM --platform=$TARGETPLATFORM a", ["1:17 $TARGETPLATFORM"]),
        ("FROM --platform=${TARGETPLATFORM} a", ["1:17 ${TARGETPLATFORM}"]),
        ("FROM --platform=$BUILDPLATFORM a", []),
        ("FROM --platform=${TARGETPLATFORM:-linux/arm64} a", []),
    ],
    "UndefinedArgInFrom": [
        ("ARG A\nFROM $A:$B", ["2:6 $A:$B"]),
        ("FROM --platform=$BUILDPLATFROM a", ["1:17 $BUILDPLATFROM"]),
        ("FROM --platform=$BUILDPLATFORM ${A:-b}", []),
    ],
    "UntaggedBase": [
        ("FROM debian", ["1:6 debian"]),
        ("FROM localhost:5000/a AS x\nFROM x", ["1:6 localhost:5000/a"]),
        ("ARG A=debian\nFROM $A", ["2:6 $A"]),
        ("FROM debian:12\nFROM a@sha256:" + "0" * 64, []),
        ("FROM a:1 AS x-amd64\nFROM x-$TARGETARCH", []),
        ("FROM a:1 AS x-amd64\nFROM y-$TARGETARCH", ["2:6 y-$TARGETARCH"]),
        ("FROM x-$TARGETARCH\nFROM a:1 AS x-amd64", ["1:6 x-$TARGETARCH"]),
        ("ARG A\nFROM $A\nFROM scratch\nFROM bootstrap:debian/bookworm", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [(rule, text, found) for rule, cases in CASES.items() for text, found in cases],
)
def test_bases(rule: str, text: str, expected: list[str]) -> None:
    assert places(rule, text) == expected


def test_a_hint_names_the_nearest() -> None:
    (finding,) = findings("UndefinedArgInFrom", "ARG VERSION=1\nFROM a:$VERSOIN")
    assert finding.hint == "Did you mean VERSION?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARG TAG\nFROM busybox:${TAG}", ["2:6 busybox:${TAG}"]),
        ("ARG A\nFROM $A", ["2:6 $A"]),
        ("ARG A=busybox\nFROM ${A}${B}:", ["2:6 ${A}${B}:"]),
        ("ARG TAG=1\nFROM busybox:${TAG}", []),
        ("ARG TAG\nFROM busybox:${TAG:-1}", []),
        ("ARG TAG\nFROM busybox${TAG}", []),
        ("ARG TAG\nFROM ${TAG:?needed}", []),
        ("ARG D=debian\nFROM bootstrap:$D/", []),
    ],
)
def test_defaults_that_give_no_image(text: str, expected: list[str]) -> None:
    around = Surroundings(is_image_name=lambda name: name.strip(":") == name != "")
    assert places("InvalidDefaultArgInFrom", text, around) == expected


ARM = BaseFacts(frozenset(), (), "", "linux/arm64")


@pytest.mark.parametrize(
    ("text", "platform", "expected"),
    [
        ("FROM a", "linux/amd64", ["1:6 a"]),
        ("FROM --platform=linux/amd64 a", "linux/arm64", ["1:29 a"]),
        ("ARG B=a\nFROM $B", "linux/amd64", ["2:6 $B"]),
        ("FROM a", "linux/arm64/v8", []),
        ("FROM a", "linux/aarch64", []),
        ("FROM --platform=linux/arm64 a", "linux/amd64", []),
        ("FROM b\nFROM scratch AS a\nFROM a", "linux/amd64", []),
        ("FROM a", "", []),
    ],
)
def test_a_base_for_another_machine(
    text: str, platform: str, expected: list[str]
) -> None:
    around = Surroundings(base={"a": ARM}.get, platform=platform)
    assert places("InvalidBaseImagePlatform", text, around) == expected


def test_both_machines_are_named() -> None:
    around = Surroundings(base={"a": ARM}.get, platform="linux/amd64")
    (finding,) = findings("InvalidBaseImagePlatform", "FROM a", around)
    assert finding.message == (
        'Base image a was pulled with platform "linux/arm64", '
        'expected "linux/amd64" for current build'
    )


def test_a_base_without_a_tag_may_be_a_stage() -> None:
    (finding,) = findings("UntaggedBase", "FROM a:1 AS base\nFROM bsae AS basse\n")
    assert finding.hint.startswith("Did you mean the stage base? Write FROM bsae:TAG")

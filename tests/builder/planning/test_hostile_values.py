"""Variables that hold each other: a small recipe must not become a large plan."""

from __future__ import annotations

import pytest

from lamina.builder.errors import InvalidInstruction
from lamina.builder.planning.base import Base
from lamina.builder.planning.options import PlanOptions
from lamina.builder.planning.plan import MOST_TEXT, plan
from lamina.builder.solving.graph import RunOp
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source
from lamina.oci.config import ImageConfig

TEN = "$a" * 10
# 200,000 characters, of a recipe with as many as this line.
LARGE = "ENV a=" + "a" * 20 + f"\nENV a={TEN}" * 4 + "\n"


def planned(text: str) -> object:
    recipe = parse(Source("Dockerfile", text))
    options = PlanOptions("linux/amd64")
    return plan(recipe, options, lambda _: Base(ImageConfig("amd64", "linux"), ()))


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        (f"FROM scratch\n{LARGE}" + f"ENV a={TEN}\n" * 40, "more than 1 MiB", "$a"),
        (f"FROM scratch\n{LARGE}" + "ENV b=$a\n" * 100, "than 4 MiB", "ENV b=$a"),
        (f"FROM scratch\n{LARGE}" + "LABEL b=$a c=$a\n" * 100, "than 4 MiB", "LABEL b"),
        (f"FROM scratch\n{LARGE}" + "RUN x\n" * 9_000, "more than 32 MiB", "RUN x"),
        (
            f"FROM scratch\n{LARGE}" + "COPY <<E /\n$a$a$a$a\nE\n" * 3_000,
            "more than 32 MiB",
            "COPY <<E",
        ),
        (
            f"FROM scratch\n{LARGE}" + "RUN --mount=target=$a x\n" * 9_000,
            "more than 32 MiB",
            "RUN --mount",
        ),
        (
            LARGE.replace("ENV", "ARG")
            + "".join(f"ARG b{n}=$a\n" for n in range(900))
            + "FROM scratch\n",
            "more than 32 MiB",
            "ARG b",
        ),
        (
            LARGE.replace("ENV", "ARG")
            + "".join(f"FROM scratch AS s{n}\nARG a\n" for n in range(900))
            + "FROM scratch\n"
            + "".join(f"COPY --from=s{n} / /\n" for n in range(900)),
            "more than 32 MiB",
            "ARG a",
        ),
        (
            "FROM scratch AS s0\n"
            + "".join(f"FROM s{n} AS s{n + 1}\nENV a{n}=1\n" for n in range(3_000)),
            "more than 32 MiB",
            "FROM s",
        ),
        (
            "FROM scratch\nARG a=" + "a" * 60_000 + "\nENV b=${a//" + "*a" * 20_000
            + "/x}\n",
            "pattern of 40,000 characters is too long",
            "${a//*a*a",
        ),
    ],
)  # fmt: skip
def test_what_grows_is_refused(text: str, message: str, at: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        planned(text)
    assert caught.value.span.text.startswith(at)
    assert len(caught.value.excerpt) < 5_000


def test_what_people_write_is_not() -> None:
    # 200 stages with 100 variables, and 2,000 steps that see them.
    stage = "".join(f"ENV VARIABLE_{n}=/opt/program/{n}/bin\n" for n in range(100))
    text = f"FROM scratch AS s0\n{stage}" + "".join(
        f"FROM s{n} AS s{n + 1}\n" + f"RUN make {n}\n" * 10 for n in range(200)
    )
    graph = planned(text)
    runs = [s for s in graph.steps if isinstance(s.operation, RunOp)]  # type: ignore[attr-defined]
    held = sum(len("".join(s.operation.env)) for s in runs)
    assert len(runs) == 2_000 and held < MOST_TEXT // 2


def test_a_port_counts_once_however_often_it_is_named() -> None:
    words = " ".join(f"{n}-65535" for n in range(1, 3_000))
    graph = planned(f"FROM scratch\nEXPOSE {words}\nEXPOSE 80/udp 80 80/UDP 0\n")
    (product,) = graph.products  # type: ignore[attr-defined]
    assert len(product.config.exposed_ports) == 65_537
    assert product.config.history[-1].created_by == "EXPOSE [0/tcp 80/tcp 80/udp]"
    (product,) = planned("FROM scratch\nEXPOSE 9-11 8000 10\n").products  # type: ignore[attr-defined]
    told = product.config.history[-1].created_by
    assert told == "EXPOSE [10/tcp 8000/tcp 9/tcp 11/tcp]"
    assert product.config.exposed_ports == ("10/tcp", "11/tcp", "8000/tcp", "9/tcp")


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("foo:80", "'foo' is no port of a host"),
        ("1.2.3:80:81", "'1.2.3' is no IP address"),
        ("80:90-91", "80 and 90-91 are not equally many"),
        ("a:b:80:81", "'a:b' is no IP address"),
        ("1:70000", "'1:70000' is no port"),
        ("80-70", "no port"),
        ("/tcp", "no port"),
        ("80/icmp", "no port"),
        ("1-2-3", "no port"),
        ("٣", "no port"),
    ],
)
def test_ports_that_are_none(port: str, message: str) -> None:
    with pytest.raises(InvalidInstruction, match=message):
        planned(f"FROM scratch\nEXPOSE {port}\n")


@pytest.mark.parametrize(
    "port", ["127.0.0.1:80:81", "[::1]:80:81", "::1::81", "8000-8010:81", "1-2:80-81"]
)
def test_what_stands_before_the_port_means_nothing(port: str) -> None:
    graph = planned(f"FROM scratch\nEXPOSE {port}\n")
    (product,) = graph.products  # type: ignore[attr-defined]
    assert "81/tcp" in product.config.exposed_ports

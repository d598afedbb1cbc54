"""builder.plan: a recipe to a graph, and the config that its image gets."""

from __future__ import annotations

import pytest

from lamina.builder.errors import InvalidInstruction, InvalidOption, UnknownBase
from lamina.builder.planning.base import Base, BaseRequest
from lamina.builder.planning.options import PlanOptions
from lamina.builder.planning.plan import plan
from lamina.builder.solving.graph import (
    BaseOp,
    CopyOp,
    RunOp,
    WorkdirOp,
)
from lamina.errors import LaminaError
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source
from lamina.oci.config import History
from lamina.values import replace
from tests.builder.planning.plans import (
    BARE,
    BASE,
    LAYERS,
    config_of,
    env_of,
    planned,
)


def test_a_chain_of_steps_stands_on_its_base() -> None:
    graph = planned("FROM base\nRUN make\nWORKDIR app\nCOPY src .\n")
    base, run, workdir, copy = graph.steps
    assert base.operation == BaseOp("base", LAYERS)
    assert isinstance(run.operation, RunOp)
    assert run.operation.args == ("/bin/sh", "-c", "make")
    assert run.operation.cwd == "/home"
    assert workdir.operation == WorkdirOp("/home/app", "")
    assert isinstance(copy.operation, CopyOp)
    assert copy.operation.dest == "/home/app/"
    assert [step.parent for step in graph.steps] == [-1, 0, 1, 2]
    assert copy.name == "[stage-0 4/4] COPY src ."


def test_only_what_the_target_needs_is_planned() -> None:
    text = (
        "FROM base AS a\nRUN a\nFROM base AS b\nRUN b\n"
        "FROM base AS c\nCOPY --from=a /x /x\n"
    )
    graph = planned(text)
    assert not any("RUN b" in step.name for step in graph.steps)
    assert [s.name for s in planned(text, targets=("b",)).steps][-1] == "[b 2/2] RUN b"
    with pytest.raises(InvalidOption, match="no stage 'x'") as caught:
        planned(text, targets=("x",))
    assert "a, b, c" in caught.value.hint


def test_a_copy_from_a_stage_reads_its_last_step() -> None:
    graph = planned("FROM base AS a\nRUN a\nFROM base\nCOPY --from=a /x /x\n")
    copy = graph.steps[-1]
    assert graph.steps[copy.reads[0]].name.endswith("RUN a")


def test_a_stage_on_a_stage_inherits_it() -> None:
    graph = planned("FROM base AS a\nENV A=1\nRUN a\nFROM a\nRUN b\n")
    assert env_of(graph)["A"] == "1"
    last = graph.steps[-1]
    assert graph.steps[last.parent].name.endswith("RUN a")


def test_the_last_writer_of_a_variable_wins() -> None:
    text = "FROM base\nENV A=env\nARG A=arg\nRUN x\n"
    assert env_of(planned(text))["A"] == "arg"
    assert "A=env" in config_of(planned(text)).env
    text = "FROM base\nARG A=arg\nENV A=env\nRUN x\n"
    assert env_of(planned(text, build_args={"A": "given"}))["A"] == "env"


def test_arguments_come_from_build_args_defaults_and_above() -> None:
    text = "ARG V=1\nARG W=w$V\nFROM base\nARG V\nARG W\nARG X=x\nARG Y\nRUN x\n"
    env = env_of(planned(text))
    assert (env["V"], env["W"], env["X"]) == ("1", "w1", "x")
    assert "Y" not in env
    env = env_of(planned(text, build_args={"V": "2", "X": "z", "Y": "y"}))
    assert (env["V"], env["W"], env["X"], env["Y"]) == ("2", "w2", "z", "y")


def test_automatic_arguments_have_to_be_declared() -> None:
    env = env_of(planned("FROM base\nARG TARGETARCH\nRUN x\n"))
    assert env["TARGETARCH"] == "amd64"
    assert "TARGETOS" not in env


def test_steps_see_a_constant_time_unless_they_ask() -> None:
    assert env_of(planned("FROM base\nRUN x\n"))["SOURCE_DATE_EPOCH"] == "315532800"
    text = "FROM base\nARG SOURCE_DATE_EPOCH\nRUN x\n"
    given = planned(text, build_args={"SOURCE_DATE_EPOCH": "7"})
    assert env_of(given)["SOURCE_DATE_EPOCH"] == "7"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("CMD echo hi", "cmd", ("/bin/sh", "-c", "echo hi")),
        ('CMD ["echo", "$A"]', "cmd", ("echo", "$A")),
        ('ENTRYPOINT ["x"]', "entrypoint", ("x",)),
        ("USER app:app", "user", "app:app"),
        ("WORKDIR ../a", "working_dir", "/a"),
        ("EXPOSE 80 53/udp 90-91", "exposed_ports", None),
        ("STOPSIGNAL SIGINT", "stop_signal", "SIGINT"),
        ('SHELL ["/bin/bash", "-c"]', "shell", ("/bin/bash", "-c")),
        ("VOLUME /b /a", "volumes", ("/a", "/b")),
        ("ONBUILD RUN x", "on_build", ("RUN x",)),
        ("ENV LANG=de X=1", "env", ("PATH=/bin", "LANG=de", "X=1")),
    ],
)
def test_instructions_edit_the_config(line: str, field: str, value: object) -> None:
    config = config_of(planned(f"FROM base\n{line}\n"))
    if field == "exposed_ports":
        value = ("53/udp", "80/tcp", "90/tcp", "91/tcp")
    assert getattr(config, field) == value


def test_an_entrypoint_drops_the_command_of_the_base_only() -> None:
    assert config_of(planned('FROM base\nENTRYPOINT ["x"]\n')).cmd is None
    text = 'FROM base\nCMD ["a"]\nENTRYPOINT ["x"]\n'
    assert config_of(planned(text)).cmd == ("a",)


def test_triggers_of_the_base_run_first_and_once() -> None:
    base = replace(BASE, on_build=("COPY . /src", "RUN make"))
    graph = planned("FROM base\nRUN last\n", base)
    names = [step.name.partition("] ")[2] for step in graph.steps[1:]]
    assert [name.split()[0] for name in names] == ["COPY", "RUN", "RUN"]
    assert config_of(graph).on_build == ()


def test_history_is_in_buildkits_words() -> None:
    text = (
        "FROM base\nARG A=1\nENV B=2\nRUN x\nCOPY a b /c/\nWORKDIR /w\n"
        'CMD ["a", "b"]\nEXPOSE 80\nLABEL k=v\nUSER u\n'
    )
    entries = config_of(planned(text)).history
    assert [entry.created_by for entry in entries] == [
        "the base",
        "ARG A=1",
        "ENV B=2",
        "RUN |1 A=1 /bin/sh -c x # buildkit",
        "COPY a b /c/ # buildkit",
        "WORKDIR /w",
        'CMD ["a" "b"]',
        "EXPOSE [80/tcp]",
        "LABEL k=v",
        "USER u",
    ]
    layers = [entry.created_by for entry in entries if not entry.empty_layer]
    assert len(layers) == 4


def test_every_layer_of_a_base_gets_a_line_of_history() -> None:
    config = config_of(planned("FROM base\nENV A=1\nRUN x\n", BARE))
    made = [entry.created_by for entry in config.history if not entry.empty_layer]
    assert made == ["", "RUN /bin/sh -c x # buildkit"]
    two = (History(created_by="one"), History(created_by="two"))
    config = config_of(planned("FROM base\nRUN x\n", replace(BARE, history=two)))
    made = [entry.created_by for entry in config.history if not entry.empty_layer]
    assert made == ["one", "RUN /bin/sh -c x # buildkit"]


def test_heredocs_become_commands_scripts_or_text() -> None:
    alone = planned("FROM base\nRUN <<EOF\necho a\nEOF\n").steps[-1].operation
    assert isinstance(alone, RunOp)
    assert alone.args == ("/bin/sh", "-c", "echo a\n")
    script = planned("FROM base\nRUN <<EOF\n#!/bin/x\ny\nEOF\n").steps[-1].operation
    assert isinstance(script, RunOp)
    assert script.args == ("/bin/sh", "-c", "/dev/pipes/EOF")
    assert script.scripts[0].body == "#!/bin/x\ny\n"
    piped = planned("FROM base\nRUN cat <<EOF\nb\nEOF\n").steps[-1].operation
    assert isinstance(piped, RunOp)
    assert piped.args[-1] == "cat <<EOF\nb\nEOF"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ARG E\nFROM ${E}\n", "base is empty"),
        ("FROM base\nSTOPSIGNAL SIGNOPE\n", "no signal"),
        ("FROM base\nEXPOSE 99999\n", "no port"),
        ("FROM base\nARG D=/x\nCOPY a b $D\n", "need a directory"),
        ("FROM base\nRUN --mount=type=cache,target=/ x\n", "cannot replace"),
        ("FROM --platform=$NOPE base\n", r"--platform=\$NOPE is empty here"),
        ("ARG P\nFROM --platform=$P base\n", r"--platform=\$P is empty here"),
        ("FROM base\nENV $X=1\n", "name is empty"),
        ("FROM base\nLABEL ${X}=1\n", "name is empty"),
    ],
)
def test_what_is_impossible_once_expanded_is_an_error(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        planned(text)
    assert caught.value.place.startswith("Recipe:")
    assert isinstance(caught.value, InvalidInstruction)


def test_a_platform_that_is_empty_has_a_hint() -> None:
    with pytest.raises(InvalidInstruction) as caught:
        planned("FROM --platform=$TARGETPLATFROM base\n")
    assert caught.value.hint == "Did you mean TARGETPLATFORM?"
    assert caught.value.span.text == "$TARGETPLATFROM"


def test_an_architecture_that_nobody_knows_is_told() -> None:
    text = "FROM --platform=linux/amd46 base\nRUN x\n"
    (note,) = planned(text).notes
    assert "linux/amd46: there is no architecture amd46" in note
    assert "Did you mean amd64?" in note
    assert planned("FROM base\n", platforms=("linux/bogus",)).notes
    assert not planned("FROM base\n", platforms=("linux/riscv64",)).notes
    with pytest.raises(LaminaError, match="neither an operating system nor"):
        planned("FROM --platform=bogus base\n")


def test_names_without_letters_are_kept_as_buildkit_keeps_them() -> None:
    config = config_of(planned("FROM base\nENV $X=1\n", compat=True))
    assert "=1" in config.env


def test_what_scanners_are_told_no_step_sees() -> None:
    text = "FROM base\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nARG A=b\nRUN x\n"
    graph = planned(text)
    assert env_of(graph).keys() & {"BUILDKIT_SBOM_SCAN_STAGE", "A"} == {"A"}
    run = config_of(graph).history[-1].created_by
    assert run.startswith("RUN |2 BUILDKIT_SBOM_SCAN_STAGE=true A=b /bin/sh")


def missing(request: BaseRequest) -> Base:
    raise UnknownBase(f"No {request.name}.", request.span, hint="Load it.")


def refused(text: str) -> RecipeError:
    """What is said of a recipe whose bases are nowhere."""
    recipe = parse(Source("Dockerfile", text))
    with pytest.raises(UnknownBase) as caught:
        plan(recipe, PlanOptions("linux/amd64"), missing)
    return caught.value


def test_a_base_that_is_a_stage_further_down() -> None:
    found = refused("FROM b AS a\nRUN x\nFROM a AS b\n")
    assert "Stage b comes after the FROM that needs it" in found.message
    assert "starts on line 3" in found.hint
    assert found.span.text == "b" and found.span.line == 1
    assert refused("FROM a AS a\n").message == "No a."
    assert refused("FROM x AS base\nFROM bsae\n").hint == "Did you mean base? Load it."


def test_errors_of_a_trigger_say_that_they_are_one() -> None:
    base = replace(BASE, on_build=("COPY --from=assets /a /b", "RUN x"))

    def resolve(request: BaseRequest) -> Base:
        return missing(request) if request.name == "assets" else Base(base, LAYERS)

    recipe = parse(Source("Dockerfile", "FROM base\n"))
    with pytest.raises(UnknownBase) as caught:
        plan(recipe, PlanOptions("linux/amd64"), resolve)
    assert caught.value.message == (
        "The base brings a trigger that is wrong here. No assets."
    )
    assert caught.value.hint.startswith("The trigger is 'COPY --from=assets /a /b'.")
    assert caught.value.span.text == "FROM base"


@pytest.mark.parametrize("line", ["COPY $N /x", "ADD a $N", "WORKDIR $N"])
def test_a_word_that_became_empty(line: str) -> None:
    with pytest.raises(InvalidInstruction, match="empty here"):
        planned(f"FROM base\n{line}\n")
    planned(f"FROM base\n{line}\n", compat=True)


def test_a_device_that_is_required_is_an_error() -> None:
    graph = planned("FROM base\nRUN --device=vendor/gpu x\n")
    assert "steps get no devices" in graph.notes[0]
    with pytest.raises(InvalidInstruction, match="vendor/gpu is required"):
        planned("FROM base\nRUN --device=vendor/gpu,required x\n")


def test_a_name_cannot_steer_a_terminal() -> None:
    step = planned("FROM base\nRUN echo \x1b[2J\u202e\n").steps[1]
    assert step.name.isprintable()

"""builder.watch.rounds: one at a time, the newest wins, at most one waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from lamina.builder.solving.cancellation import Cancellation
from lamina.builder.watch.rounds import Round, Rounds

PATIENCE = 20.0


class Work:
    """Rounds that last until they are cancelled or let go."""

    def __init__(self) -> None:
        self.begun: SimpleQueue[Round] = SimpleQueue()
        self.ended: SimpleQueue[tuple[Round, bool]] = SimpleQueue()
        self.go = threading.Semaphore(0)
        self.rounds = Rounds(self._work)

    def _work(self, wanted: Round, cancellation: Cancellation) -> Callable[[], None]:
        self.begun.put(wanted)
        with cancellation.told(self.go.release):
            self.go.acquire()
        return lambda: self.ended.put((wanted, cancellation.asked))

    def begins(self) -> frozenset[str]:
        return self.begun.get(timeout=PATIENCE).paths

    def ends(self) -> tuple[set[str], bool]:
        wanted, cancelled = self.ended.get(timeout=PATIENCE)
        return set(wanted.paths), cancelled


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.rounds.close()


def saved(*paths: str) -> Round:
    return Round(frozenset(paths))


def test_a_round_is_worked_off(work: Work) -> None:
    work.rounds.ask(saved("a"))
    assert work.begins() == {"a"}
    work.go.release()
    assert work.ends() == ({"a"}, False)


def test_a_newer_one_cancels_and_takes_over(work: Work) -> None:
    work.rounds.ask(saved("a"))
    work.begins()
    work.rounds.ask(saved("b"))
    assert work.ends() == ({"a"}, True)
    # What the first one was to do is still to be done.
    assert work.begins() == {"a", "b"}
    work.go.release()
    assert work.ends() == ({"a", "b"}, False)


def test_at_most_one_waits() -> None:
    begun: list[Round] = []
    entered, stubborn, done = (threading.Event() for _ in range(3))

    def work(wanted: Round, _: Cancellation) -> Callable[[], None]:
        begun.append(wanted)
        entered.set()
        # It takes its time, cancelled or not.
        stubborn.wait(PATIENCE)
        return done.set if len(begun) == 2 else lambda: None

    rounds = Rounds(work)
    rounds.ask(saved("a"))
    assert entered.wait(PATIENCE)
    for name in "bcd":
        rounds.ask(saved(name))
    stubborn.set()
    assert done.wait(PATIENCE)
    rounds.close()
    assert [set(wanted.paths) for wanted in begun] == [{"a"}, {"a", "b", "c", "d"}]


def test_closing_cancels(work: Work) -> None:
    work.rounds.ask(saved("a"))
    work.begins()
    work.rounds.close()
    assert work.ends() == ({"a"}, True)


def test_two_rounds_in_one() -> None:
    first = Round(frozenset("a"), first=2.0, rerun=True)
    later = Round(frozenset("b"), everything=True, first=3.0)
    both = Round(frozenset("ab"), everything=True, first=2.0, rerun=True)
    assert first.and_then(later) == both


def test_who_never_stops_saving_sees_a_result_now_and_then(work: Work) -> None:
    work.rounds.ask(saved("0"))
    for number in range(1, 9):
        work.begins()
        work.rounds.ask(saved(str(number)))
        assert work.ends()[1]
    work.begins()
    # This one is let be, and what comes meanwhile waits.
    work.rounds.ask(saved("9"))
    work.rounds.ask(saved("10"))
    work.go.release()
    assert not work.ends()[1]
    assert work.begins() == {"9", "10"}
    work.rounds.ask(saved("11"))
    assert work.ends()[1]


def test_what_comes_while_one_is_told_of_is_a_round_of_its_own() -> None:
    """A save right after the answer has nothing to do with what was built before."""
    begun: SimpleQueue[tuple[Round, Cancellation]] = SimpleQueue()
    telling, told = threading.Event(), threading.Event()

    def work(wanted: Round, cancellation: Cancellation) -> Callable[[], None]:
        begun.put((wanted, cancellation))

        def over() -> None:
            telling.set()
            told.wait(PATIENCE)

        return over

    rounds = Rounds(work)
    rounds.ask(Round(everything=True))
    assert telling.wait(PATIENCE)
    rounds.ask(saved("a"))
    told.set()
    first, second = (begun.get(timeout=PATIENCE) for _ in range(2))
    rounds.close()
    assert not first[1].asked
    assert second[0] == saved("a")

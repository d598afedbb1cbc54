"""builder.watch.settle: one save, a writer without end, a checkout."""

from __future__ import annotations

from lamina.builder.watch.settle import Batch, Pauses

PAUSES = Pauses(quiet=0.01, longest=0.1, storm_quiet=0.2, storm_longest=3.0, storm=100)


def test_one_save_is_taken_after_a_short_quiet() -> None:
    batch = Batch(PAUSES)
    assert not batch
    batch.add("a", 5.0)
    assert batch.due() == 5.0 + PAUSES.quiet
    batch.add("b", 5.005)
    assert batch.due() == 5.005 + PAUSES.quiet
    assert batch.take() == (frozenset({"a", "b"}), False)
    assert not batch


def test_who_never_stops_starves_nobody() -> None:
    batch = Batch(PAUSES)
    for tick in range(50):
        batch.add("log", 5.0 + tick * 0.009)
    assert batch.due() == 5.0 + PAUSES.longest


def test_a_new_file_is_waited_for_until_it_is_closed() -> None:
    batch = Batch(PAUSES)
    batch.add("new", 5.0, to_be_written=True)
    assert batch.due() == 5.0 + PAUSES.longest
    batch.add("new", 5.02)
    assert batch.due() == 5.02 + PAUSES.quiet


def test_many_paths_are_a_storm() -> None:
    batch = Batch(PAUSES)
    for number in range(101):
        batch.add(str(number), 5.0)
    assert batch.due() == 5.0 + PAUSES.storm_quiet
    batch.add("0", 7.9)
    assert batch.due() == 5.0 + PAUSES.storm_longest


def test_git_at_work_is_waited_for() -> None:
    batch = Batch(PAUSES)
    batch.hold(True, 5.0)
    batch.add("a", 5.0)
    assert batch.due() == 5.0 + PAUSES.storm_longest
    batch.hold(False, 6.0)
    assert batch.due() <= 6.0 + PAUSES.quiet


def test_lost_events_mean_everything() -> None:
    batch = Batch(PAUSES)
    batch.lose(5.0)
    assert batch
    assert batch.due() == 5.0 + PAUSES.storm_quiet
    assert batch.take() == (frozenset(), True)

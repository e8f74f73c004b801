"""A few of many names: the same ones whatever the order, and others with another seed."""

from __future__ import annotations

from cryopick_cli.picking.choice import chosen, ranked

NAMES = [f"grid/mic_{i:03d}" for i in range(40)]


def test_choice_does_not_depend_on_the_order_of_the_files() -> None:
    few = chosen(NAMES, 16, 0)
    assert len(few) == 16
    assert chosen(reversed(NAMES), 16, 0) == few
    assert chosen([*NAMES, *NAMES], 16, 0) == few
    assert few == sorted(few)


def test_choice_is_spread_by_a_hash_and_hardly_changes_when_files_are_added() -> None:
    few = chosen(NAMES, 16, 0)
    assert few != NAMES[:16]
    more = chosen([*NAMES, "grid/mic_900", "grid/mic_901"], 16, 0)
    assert len(set(more) - set(few)) <= 2


def test_choice_follows_the_seed_and_the_number() -> None:
    assert chosen(NAMES, 16, 1) != chosen(NAMES, 16, 0)
    assert len(chosen(NAMES, 3, 0)) == 3
    assert chosen(NAMES[:5], 16, 0) == NAMES[:5]


def test_a_choice_of_fewer_is_part_of_a_choice_of_more() -> None:
    assert sorted(ranked(NAMES, 0)[:4]) == chosen(chosen(NAMES, 16, 0), 4, 0)

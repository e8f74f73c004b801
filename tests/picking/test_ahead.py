"""Work in threads: results in order, failures where they belong, and never too far ahead."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cryopick_cli.picking.ahead import AHEAD, ahead


def slow_if_even(number: int) -> int:
    time.sleep(0.01 * (number % 2 == 0))
    if number == 3:
        raise ValueError("three")
    return 10 * number


def test_results_come_in_the_order_of_the_items_and_failures_in_their_place() -> None:
    futures = list(ahead(slow_if_even, range(9)))
    with pytest.raises(ValueError, match="three"):
        futures.pop(3).result()
    assert [future.result() for future in futures] == [0, 10, 20, 40, 50, 60, 70, 80]
    assert list(ahead(slow_if_even, [])) == []


def test_no_more_is_begun_than_may_wait() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    results = ahead(slow_if_even, numbers())
    for done in range(1, 11):
        next(results)
        assert len(taken) <= done + AHEAD
    results.close()  # type: ignore[attr-defined]
    assert len(taken) <= 10 + AHEAD

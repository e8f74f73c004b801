"""Work in threads: results in order, failures where they belong, and never too far ahead."""

from __future__ import annotations

import time

import pytest

from cryopick_cli.picking.ahead import AHEAD, MOST_PIXELS, ahead


def slow_if_even(number: int) -> int:
    time.sleep(0.01 * (number % 2 == 0))
    if number == 3:
        raise ValueError("three")
    return 10 * number


def test_results_come_in_the_order_of_the_items_and_failures_in_their_place() -> None:
    futures = list(ahead(slow_if_even, range(9), lambda _: 1))
    with pytest.raises(ValueError, match="three"):
        futures.pop(3).result()
    assert [future.result() for future in futures] == [0, 10, 20, 40, 50, 60, 70, 80]
    assert list(ahead(slow_if_even, [], lambda _: 1)) == []


@pytest.mark.parametrize(
    ("pixels", "most"), [(1, AHEAD), (MOST_PIXELS // 2, 1), (MOST_PIXELS // 3, 2), (3 * MOST_PIXELS, 0)]
)
def test_no_more_is_begun_than_may_wait(pixels: int, most: int) -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return slow_if_even(number)

    results = ahead(work, range(4, 54), lambda _: pixels)
    for done in range(1, 11):
        assert next(results).result() == 10 * (3 + done)
        time.sleep(0.01)  # for what has begun too early to show
        assert len(begun) <= done + most
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 10 + most


def test_a_large_item_waits_until_those_before_it_are_taken() -> None:
    begun: list[int] = []
    sizes = [1, 2, MOST_PIXELS, 3, 4]
    results = ahead(begun.append, sizes, lambda size: size)
    for taken in ([1, 2], [MOST_PIXELS], [3, 4]):
        for _ in taken:
            next(results).result()
        assert sorted(begun) == taken
        begun.clear()

"""Do what needs no network in threads, a few micrographs ahead of the one that the network looks at.

Reading, resampling, filters and Fourier transforms leave Python's lock alone, so threads are enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

# Micrographs in work and waiting; what more memory holds would wait for the network.
AHEAD = 4
# Their pixels together: two of 11520 x 8184. One that is larger is alone.
MOST_PIXELS = 200_000_000


def ahead(
    work: Callable[[Item], Made], items: Iterable[Item], pixels: Callable[[Item], int]
) -> Iterator[Future[Made]]:
    """Do some work for each of the items in threads; give what comes of it, or fails, in their order.

    No item is begun before the one :data:`AHEAD` places before it is asked for, nor while it would make more
    than :data:`MOST_PIXELS` in work and waiting. ``pixels`` tells how many are worked on for an item.
    """
    waiting: deque[tuple[Future[Made], int]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                needed = pixels(item)
                while waiting and (len(waiting) > AHEAD or needed + _total(waiting) > MOST_PIXELS):
                    yield waiting.popleft()[0]
                waiting.append((pool.submit(work, item), needed))
            while waiting:
                yield waiting.popleft()[0]
        finally:
            for future, _ in waiting:  # who stops early wants no more
                future.cancel()


def _total(waiting: Iterable[tuple[Future[Made], int]]) -> int:
    return sum(needed for _, needed in waiting)

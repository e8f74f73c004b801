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


def ahead(work: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Future[Made]]:
    """Do some work for each of the items in threads; give what comes of it, or fails, in their order.

    No item is begun before the one :data:`AHEAD` places before it is asked for.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for future in waiting:  # who stops early wants no more
                future.cancel()

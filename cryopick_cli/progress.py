"""How work tells how far it is: the types of the functions that it is handed, and those that say nothing.

Who shows the progress, and how, is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[str], None]
"""Told the name of each item as soon as it is done."""

Watch = Callable[[str, int, str], AbstractContextManager[Advance]]
"""Given what is done, how many items it has and what they are called, for as long as it lasts."""


def unheard(item: str) -> None:
    """Tell nobody that an item is done."""


@contextmanager
def unwatched(what: str, total: int, unit: str) -> Iterator[Advance]:
    """Let a loop run without anybody looking."""
    yield unheard

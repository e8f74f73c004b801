"""Which few of many micrographs are looked at first: by a hash of name and seed, whatever their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def ranked(names: Iterable[str], seed: int) -> list[str]:
    """Give the names, each once, in an order that is as good as random and always the same."""

    def rank(name: str) -> bytes:
        return hashlib.sha256(f"{seed}:{name}".encode()).digest()

    return sorted(set(names), key=rank)


def chosen(names: Iterable[str], count: int, seed: int) -> list[str]:
    """Choose this many of the names, at most, and give them in their own order."""
    return sorted(ranked(names, seed)[:count])

"""Many micrographs: a folder of them, an endless stream, and a pool on disk that renews itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.delimited import read_delimited
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.simulation.config import CheckedConfig, SimulationConfig, setting
from cryopick_cli.simulation.folder import is_finished, make_folder, read_facts, remove_simulated, stem_of
from cryopick_cli.simulation.simulate import SimulatedMicrograph
from cryopick_cli.simulation.structure import FloatArray
from cryopick_cli.simulation.workers import draw_numbered, open_library, start_workers, write_numbered


def simulate_folder(
    config: SimulationConfig,
    *,
    count: int,
    seed: int,
    out: str | Path,
    library: str | Path | None,
    workers: int = 1,
    first: int = 0,
) -> Iterator[str]:
    """Write ``count`` micrographs to a folder; those that are there already are left as they are.

    Parameters
    ----------
    config
        What to draw from.
    count, first
        Micrographs ``first`` to ``first + count - 1`` of the run.
    seed
        Of the run; micrograph ``number`` is the same whatever ``count`` and ``workers``.
    out
        Folder; made where missing.
    library
        Folder of structures, or ``None`` for procedural shapes only.
    workers
        Processes, started afresh (spawn); 0 works in this process.

    Yields
    ------
    str
        Stem of each micrograph as it is finished.

    Raises
    ------
    ConfigError
        If fewer than one micrograph, or a negative number of processes, is asked for.
    InputError
        If the structures cannot be read.
    OutputError
        If the folder cannot be written.
    """
    if count < 1:
        raise ConfigError(f"count: found {count}, expected at least 1 micrograph; ask for one or more")
    folder = make_folder(out)
    numbers = [n for n in range(first, first + count) if not is_finished(folder, stem_of(seed, n))]
    if workers == 0:
        open_library(library)
        for number in numbers:
            yield write_numbered(config, seed, number, folder)
        return
    with start_workers(library, workers) as executor:
        futures = [executor.submit(write_numbered, config, seed, number, folder) for number in numbers]
        for future in as_completed(futures):
            yield future.result()


def stream_micrographs(
    config: SimulationConfig, *, seed: int, library: str | Path | None, workers: int = 1, first: int = 0
) -> Iterator[SimulatedMicrograph]:
    """Simulate without end, in the order of their numbers, two micrographs a worker ahead of what is taken.

    Parameters are those of `simulate_folder`; close the iterator to end the processes.

    Raises
    ------
    ConfigError, InputError
        As `simulate_folder`.
    """
    with start_workers(library, workers) as executor:
        ahead: deque[Future[SimulatedMicrograph]] = deque()
        number = first
        try:
            while True:
                while len(ahead) < 2 * workers:
                    ahead.append(executor.submit(draw_numbered, config, seed, number))
                    number += 1
                yield ahead.popleft().result()
        finally:
            executor.shutdown(cancel_futures=True)


@dataclass(frozen=True, kw_only=True)
class PoolConfig(CheckedConfig):
    """How large a pool is and how often a micrograph of it is used.

    Raises
    ------
    ConfigError
        If a number is below 1.
    """

    section = "pool"

    size: int = setting(500, "micrographs on disk at any time", 1)
    most_uses: int = setting(20, "draws after which a micrograph gives way to a fresh one", 1)
    seed: int = setting(0, "seed of the run")
    workers: int = setting(1, "processes that simulate", 1)


@dataclass(frozen=True, kw_only=True)
class PooledMicrograph:
    """A micrograph drawn from a pool: float32 (h, w), Å/px, reference table, and its stem."""

    array: FloatArray
    pixel_size: float
    reference: pd.DataFrame
    stem: str


class SimulationPool:
    """Simulated micrographs on disk, each drawn a limited number of times and then replaced.

    A micrograph that has been used up gives its place to the next number of the run, which worker processes
    simulate meanwhile; a draw that hits one not yet finished waits for it. What is drawn depends on the
    config, the seed and the numbers drawn alone, not on how fast the workers are.

    Parameters
    ----------
    config
        What to draw from.
    folder
        Where the micrographs lie; those of an earlier run with the same seed are used again.
    library
        Folder of structures, or ``None``.
    pool
        Size and wear.
    """

    def __init__(
        self, config: SimulationConfig, folder: str | Path, library: str | Path | None, pool: PoolConfig
    ) -> None:
        self._config = config
        self._folder = make_folder(folder)
        self._pool = pool
        self._executor = start_workers(library, pool.workers)
        self._pending: dict[int, Future[str]] = {}
        self._next = 0
        self._places = [self._order() for _ in range(pool.size)]
        self._uses = [0] * pool.size

    def __enter__(self) -> SimulationPool:
        """Give the pool; its processes end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker processes; the files stay."""
        self.close()

    def close(self) -> None:
        """End the worker processes; the files stay."""
        self._executor.shutdown(cancel_futures=True)

    def draw(self, rng: np.random.Generator) -> PooledMicrograph:
        """Draw a micrograph at random, waiting where it is not finished yet."""
        place = int(rng.integers(self._pool.size))
        number = self._places[place]
        if number in self._pending:
            self._pending.pop(number).result()
        stem = stem_of(self._pool.seed, number)
        drawn = _read_pooled(self._folder, stem)
        self._uses[place] += 1
        if self._uses[place] >= self._pool.most_uses:
            remove_simulated(self._folder, stem)
            self._places[place] = self._order()
            self._uses[place] = 0
        return drawn

    def _order(self) -> int:
        """Order the next number of the run, unless it is there, and give it."""
        number = self._next
        self._next += 1
        if not is_finished(self._folder, stem_of(self._pool.seed, number)):
            self._pending[number] = self._executor.submit(
                write_numbered, self._config, self._pool.seed, number, self._folder
            )
        return number


def _read_pooled(folder: Path, stem: str) -> PooledMicrograph:
    array = read_micrograph(folder / f"{stem}.mrc").array
    reference = read_delimited(folder / f"{stem}.csv")
    # From the notes, not from the MRC header: readers take very large pixels there for a mistake.
    pixel_size = float(read_facts(folder, stem)["pixel_size"])
    return PooledMicrograph(array=array, pixel_size=pixel_size, reference=reference, stem=stem)

"""Many micrographs: a folder of them, an endless stream, and a pool on disk that is renewed in rounds."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from cryopick_cli.errors import ConfigError, CryopickError, OutputError
from cryopick_cli.formats.atomic import make_folder, write_text
from cryopick_cli.simulation.config import CheckedConfig, SimulationConfig, setting
from cryopick_cli.simulation.folder import is_finished, remove_simulated, stem_of
from cryopick_cli.simulation.simulate import SimulatedMicrograph
from cryopick_cli.simulation.workers import draw_numbered, open_library, start_workers, write_numbered

log = logging.getLogger(__name__)

NOTE_FILE = "pool.json"
# A pool takes minutes to fill; this often it is said how far it is.
_SECONDS_BETWEEN_NEWS = 10.0


def simulate_folder(
    config: SimulationConfig,
    *,
    seed: int,
    numbers: range,
    out: str | Path,
    library: str | Path | None,
    workers: int = 1,
) -> Iterator[str]:
    """Write micrographs of a run to a folder; those that are there already are left as they are.

    Parameters
    ----------
    config
        What to draw from.
    seed
        Of the run; a micrograph of it is the same whatever ``numbers`` and ``workers``.
    numbers
        Which micrographs of the run, from 0.
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
    if not numbers:
        raise ConfigError(f"numbers: found {numbers}, expected at least 1 micrograph; ask for one or more")
    folder = make_folder(out)
    missing = [number for number in numbers if not is_finished(folder, stem_of(seed, number))]
    if workers == 0:
        open_library(library)
        for number in missing:
            yield write_numbered(config, seed, number, folder)
        return
    with start_workers(library, workers) as executor:
        futures = [executor.submit(write_numbered, config, seed, number, folder) for number in missing]
        for future in as_completed(futures):
            yield future.result()


def stream_micrographs(
    config: SimulationConfig, *, seed: int, library: str | Path | None, workers: int = 1, first: int = 0
) -> Iterator[SimulatedMicrograph]:
    """Simulate without end, in the order of their numbers, two micrographs a worker ahead of what is taken.

    They are those of the run from number ``first`` on; the other parameters are those of `simulate_folder`.
    Close the iterator to end the processes.

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
    """How large a pool is and how fast it is renewed.

    Raises
    ------
    ConfigError
        If a number is out of bounds, or more are renewed than there are.
    """

    section = "pool"

    size: int = setting(400, "micrographs that are drawn from in a round", 1)
    renewed: int = setting(80, "how many of them are fresh in the next round", 0)
    seed: int = setting(0, "seed of the run")
    workers: int = setting(1, "processes that simulate", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.renewed > self.size:
            raise ConfigError(
                f"pool.renewed: found {self.renewed}, expected at most pool.size = {self.size}; lower it"
            )


class SimulationPool:
    """Simulated micrographs on disk: a window that moves along the endless run of one seed.

    Round ``r`` holds the micrographs ``r * renewed`` to ``r * renewed + size - 1``. Worker processes simulate
    the next round's while a round is drawn from, and what a round no longer holds is deleted. So a round is
    the same whether or not the run was interrupted, and however fast the workers are.

    Parameters
    ----------
    config
        What to draw from.
    folder
        Where the micrographs lie; those of an earlier run with the same seed are used again.
    library
        Folder of structures, or ``None`` for procedural shapes only.
    pool
        Size, renewal, seed and workers.

    Raises
    ------
    InputError
        If the structures cannot be read.
    OutputError
        If the folder cannot be made.
    """

    def __init__(
        self, config: SimulationConfig, folder: str | Path, library: str | Path | None, pool: PoolConfig
    ) -> None:
        self.folder = make_folder(folder)
        self._config = config
        self._pool = pool
        self._executor = start_workers(library, pool.workers)
        self._claim(library)
        self._pending: dict[int, Future[str]] = {}

    def __enter__(self) -> SimulationPool:
        """Give the pool; its processes end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker processes; the files stay."""
        self._executor.shutdown(cancel_futures=True)

    def make_round(self, number: int) -> list[str]:
        """Give the stems of a round, all finished; order the next round's and delete the last one's.

        Rounds come in rising order; a run that goes on may start at any.

        Raises
        ------
        OutputError
            If a micrograph cannot be written.
        CryopickError
            If a worker process was ended from outside.
        """
        first = number * self._pool.renewed
        wanted = range(first, first + self._pool.size)
        try:
            self._order(range(first, wanted.stop + self._pool.renewed))
            self._wait(wanted)
        except BrokenProcessPool as error:
            raise CryopickError(
                f"{self.folder}: a process that simulates was ended from outside, perhaps for want of "
                "memory; resume, with fewer pool.workers"
            ) from error
        for gone in range(max(0, first - self._pool.renewed), first):
            remove_simulated(self.folder, stem_of(self._pool.seed, gone))
        return [stem_of(self._pool.seed, one) for one in wanted]

    def _order(self, numbers: range) -> None:
        """Let the workers simulate what is neither there nor ordered."""
        for number in numbers:
            if number not in self._pending and not is_finished(self.folder, stem_of(self._pool.seed, number)):
                self._pending[number] = self._executor.submit(
                    write_numbered, self._config, self._pool.seed, number, self.folder
                )

    def _wait(self, numbers: range) -> None:
        """Wait for micrographs that are ordered and not finished."""
        ordered = [number for number in numbers if number in self._pending]
        told = -math.inf
        for number in ordered:
            left = sum(not future.done() for future in map(self._pending.get, ordered) if future is not None)
            if left and time.monotonic() - told >= _SECONDS_BETWEEN_NEWS:
                told = time.monotonic()
                log.info(
                    "%s: %d of %d micrographs are still being simulated", self.folder, left, len(numbers)
                )
            self._pending.pop(number).result()

    def _claim(self, library: str | Path | None) -> None:
        """Note what the folder's micrographs are simulated from, and refuse those of other settings."""
        claimed = {"settings": asdict(self._config), "structures": str(library), "seed": self._pool.seed}
        note = json.dumps(claimed) + "\n"
        path = self.folder / NOTE_FILE
        if path.exists() and path.read_text(encoding="utf-8") != note:
            raise OutputError(
                f"{self.folder}: holds micrographs simulated with other settings, structures or seed than "
                "those asked for; remove the folder, or go on with the settings of then"
            )
        write_text(path, note, overwrite=True)

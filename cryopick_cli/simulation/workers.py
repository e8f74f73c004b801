"""Worker processes that simulate: each opens the structure library once and uses it throughout.

A worker ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from cryopick_cli.errors import ConfigError
from cryopick_cli.simulation.config import SimulationConfig
from cryopick_cli.simulation.folder import stem_of, write_simulated
from cryopick_cli.simulation.simulate import SimulatedMicrograph, simulate_micrograph
from cryopick_cli.simulation.structures import StructureLibrary

_library: StructureLibrary | None = None


def start_workers(library: str | Path | None, workers: int) -> ProcessPoolExecutor:
    """Start processes (spawned, so that threads and GPUs of this one do not matter) with a library each.

    Raises
    ------
    ConfigError
        If fewer than one process is asked for.
    InputError
        If the library cannot be opened.
    """
    if workers < 1:
        raise ConfigError(f"workers: found {workers}, expected at least 1 process; give the number of cores")
    # A library that cannot be opened is told here: in a worker it would only break the pool.
    StructureLibrary.open(library)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_set_up, initargs=(library,))


def _set_up(library: str | Path | None) -> None:
    """Make a worker ready: it is to end with its parent, and to have the library open."""
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    open_library(library)


def _end_with_parent() -> None:
    """Wait until the process that started this one is gone, and end this one at once.

    A parent that is killed cannot tell its workers; they would wait for work that never comes.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def open_library(library: str | Path | None) -> None:
    """Open the library of this process."""
    global _library
    _library = StructureLibrary.open(library)


def seed_of(seed: int, number: int) -> int:
    """Give micrograph ``number`` of a run its own seed, unlike that of any other run."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def draw_numbered(config: SimulationConfig, seed: int, number: int) -> SimulatedMicrograph:
    """Simulate micrograph ``number`` of a run with this process's library."""
    return simulate_micrograph(config, seed_of(seed, number), _library)


def write_numbered(config: SimulationConfig, seed: int, number: int, folder: Path) -> str:
    """Simulate micrograph ``number`` of a run and write it to a folder; gives its stem."""
    stem = stem_of(seed, number)
    write_simulated(draw_numbered(config, seed, number), folder, stem)
    return stem

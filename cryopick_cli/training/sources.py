"""All micrographs that a run draws crops from, by rounds, which last from checkpoint to checkpoint."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from cryopick_cli.simulation.pool import SimulationPool
from cryopick_cli.training.config import SimulatedSourceConfig, TrainConfig
from cryopick_cli.training.dataset import LabelledMicrograph, find_labelled, read_labelled


class Sources:
    """The recipe's sources; simulated ones are renewed from round to round.

    Parameters
    ----------
    config : TrainConfig
        The recipe.
    data : Path
        Folder that its relative paths start at.
    cache : Path
        Folder for what is simulated; each simulated source has a folder of its own in it.

    Raises
    ------
    InputError
        If structures cannot be read.
    OutputError
        If the cache cannot be written.
    """

    def __init__(self, config: TrainConfig, data: Path, cache: Path) -> None:
        self._config = config
        self._data = data
        with ExitStack() as opened:
            self._pools = [
                opened.enter_context(_open_pool(source, data, cache)) for source in config.simulated
            ]
            self._opened = opened.pop_all()

    def __enter__(self) -> Sources:
        """Give the sources; processes that simulate end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes that simulate; what is simulated stays."""
        self._opened.close()

    def list_round(self, number: int) -> list[list[LabelledMicrograph]]:
        """List the micrographs of a round, source by source, in the order of the recipe's shares.

        Raises
        ------
        InputError
            If a source holds nothing.
        """
        found = [find_labelled(source, self._data) for source in self._config.sources]
        for pool in self._pools:
            stems = pool.make_round(number)
            found.append(
                [read_labelled(pool.folder / f"{stem}.mrc", pool.folder / f"{stem}.csv") for stem in stems]
            )
        return found


def _open_pool(source: SimulatedSourceConfig, data: Path, cache: Path) -> SimulationPool:
    library = None if source.structures is None else data / source.structures
    return SimulationPool(source.settings, cache / source.name, library, source.pool)

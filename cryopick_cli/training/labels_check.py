"""Do a source's coordinates fit its micrographs? Asked before training, which would learn any mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.evaluation.orientation import OrientationConfig, OrientationReport, refuse_mismatch
from cryopick_cli.evaluation.orientation_micrographs import check_on_micrographs, choose_micrographs
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.progress import Advance, Watch, unwatched
from cryopick_cli.training.config import SourceConfig
from cryopick_cli.training.dataset import LabelledMicrograph, find_labelled


def check_source(
    source: SourceConfig, data: Path, config: OrientationConfig | None = None, watch: Watch = unwatched
) -> OrientationReport | None:
    """Compare a source's coordinates with its micrographs.

    Parameters
    ----------
    source : SourceConfig
        What is going to be trained on.
    data : Path
        Folder that its relative paths start at.
    config : OrientationConfig, optional
        How the ways to read coordinates are tried.
    watch : callable
        Looks on while micrographs are compared.

    Returns
    -------
    OrientationReport or None
        None where there are no coordinates to compare.

    Raises
    ------
    InputError
        If the coordinates surely do not fit, or if there are none for any micrograph.
    """
    tables = _tables(find_labelled(source, data))
    config = config or OrientationConfig()
    chosen = choose_micrographs(tables, config)
    if not chosen:
        return None
    with watch("Checking coordinates", len(chosen), "micrographs") as advance:
        report = check_on_micrographs(tables, _read(chosen, advance), config)
    refuse_mismatch(report, str(source.coordinates), str(source.micrographs))
    return report


def _read(names: Sequence[str], advance: Advance) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name in names:
        yield name, read_micrograph(name).array
        advance(name)


def _tables(labelled: Sequence[LabelledMicrograph]) -> dict[str, pd.DataFrame]:
    """Give the particles to learn by the micrograph's path: x, y and diameter, px."""
    columns = ["x", "y", "diameter_px"]
    return {
        str(one.path): pd.DataFrame(one.reference[one.reference[:, 3] == 0, :3], columns=columns)
        for one in labelled
    }

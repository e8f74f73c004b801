"""RELION's coordinates in STAR files: centres, px of the micrograph, first stored pixel (0, 0), y down.

Versions 2 to 5: a file a micrograph (``*_autopick.star``), the list of them (``autopick.star``; 3.1 has
``coords_suffix_autopick.star``), and all particles in one file. RELION's extraction cuts fractions of a pixel
off (1200.6 becomes 1200); they are written all the same, for programs that use them. Tables of micrographs
are read in :mod:`cryopick_cli.formats.star_micrographs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.coordinates import (
    MICROGRAPH,
    WriteOptions,
    accepted_only,
    empty_coordinates,
    make_coordinates,
    merit_or_log_odds,
)
from cryopick_cli.formats.star_blocks import find_block, quoted, read_star_blocks, read_text, star_table

X, Y, MERIT, NAME = "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnMicrographName"
# The lists of what a picking job has written: that of RELION 4 and 5, and that of 3.1.
LIST_FILE, SUFFIX_FILE = "autopick.star", "coords_suffix_autopick.star"
# Topaz's name for it before 0.2.3, and still that of its coordinates_to_star.
_OLD_TOPAZ_MERIT = "rlnParticleScore"
# RELION's own value for a coordinate that no picker rated, and crYOLO's.
_NO_MERIT, _NO_MERIT_EITHER = -999.0, -9999.0


def read_star(path: str | Path) -> pd.DataFrame:
    """Read picks or particles; with a column ``micrograph`` where the file names micrographs.

    Only the picked centre is read (``rlnCoordinateX/Y``), not later shifts (``rlnOriginX``). A file of no
    bytes is what RELION writes for a micrograph without picks, and reads as such.

    Raises
    ------
    FormatError
        If there are no coordinates, or the file is the list of coordinate files.
    """
    path = Path(path)
    if not read_text(path).strip():
        return empty_coordinates()
    blocks = read_star_blocks(path)
    block = find_block(blocks, X, Y)
    if block is None:
        if find_block(blocks, "rlnMicrographCoordinates"):
            raise FormatError(
                f"{path}: is a list of coordinate files; give the files or folder that it lists"
            )
        if all(not found.columns for found in blocks):
            return empty_coordinates()
        raise FormatError(f"{path}: no column _{X} and _{Y} in any block; give picks or particles")
    rated = next((label for label in (MERIT, _OLD_TOPAZ_MERIT) if label in block), None)
    merit = block.floats(rated) if rated is not None else np.full(len(block), np.nan)
    return make_coordinates(
        block.floats(X),
        block.floats(Y),
        micrograph=block.texts(NAME) if NAME in block else None,
        figure_of_merit=np.where(np.isin(merit, (_NO_MERIT, _NO_MERIT_EITHER)), np.nan, merit),
    )


def write_autopick_star(path: str | Path, table: pd.DataFrame, *, overwrite: bool = False) -> None:
    """Write one micrograph's accepted picks as RELION's autopicker does, best figure of merit first.

    Five columns: X, Y, figure of merit (log-odds of the score where it is unknown), class 0, psi 0. No picks
    give the header alone, which RELION reads as no particles.
    """
    kept = accepted_only(table)
    numbers = zip(kept["x"].tolist(), kept["y"].tolist(), _merits(kept), strict=True)
    rows = [
        (f"{x:12.6f}", f"{y:12.6f}", f"{merit:12.6f}", f"{0:12d}", f"{0:12.6f}") for x, y, merit in numbers
    ]
    text = star_table("", [X, Y, MERIT, "rlnClassNumber", "rlnAnglePsi"], rows)
    write_text(path, text, overwrite=overwrite)


def write_particles_star(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write the accepted picks of all micrographs to one block, for *Import Particle Stack* and others."""
    kept = accepted_only(table)
    numbers = zip(
        kept[MICROGRAPH].tolist(), kept["x"].tolist(), kept["y"].tolist(), _merits(kept), strict=True
    )
    rows = [(quoted(name), f"{x:12.6f}", f"{y:12.6f}", f"{merit:12.6f}") for name, x, y, merit in numbers]
    write_text(path, star_table("particles", [NAME, X, Y, MERIT], rows), overwrite=options.overwrite)


def write_coordinate_list(
    path: str | Path, files: Iterable[tuple[str, str]], *, overwrite: bool = False
) -> None:
    """Write RELION 4 and 5's list: pairs of micrograph and coordinate file, both below the project's root."""
    rows = [(quoted(name), quoted(coordinates)) for name, coordinates in files]
    text = star_table("coordinate_files", [NAME, "rlnMicrographCoordinates"], rows)
    write_text(path, text, overwrite=overwrite)


def write_coords_suffix(path: str | Path, micrographs_star: str, *, overwrite: bool = False) -> None:
    """Write RELION 3.1's ``coords_suffix_autopick.star``: the name of the micrographs table and no more."""
    write_text(path, f"{micrographs_star}\n", overwrite=overwrite)


def _merits(table: pd.DataFrame) -> list[float]:
    merit = merit_or_log_odds(table)
    return [float(value) for value in np.where(np.isnan(merit), _NO_MERIT, merit)]

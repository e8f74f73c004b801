"""EMAN's BOX files: the corner of each box nearest the first stored pixel, px, y down the rows, no header.

EMAN calls it the lower-left corner, as it draws the first stored row at the bottom. Rows hold x, y, width,
height and, where the picker rates its picks, a score. RELION reads whole numbers only, so corners are written
whole.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.coordinates import (
    WriteOptions,
    accepted_only,
    box_size_for,
    classify_ratings,
    empty_coordinates,
    make_coordinates,
    score_or_merit,
    score_text,
)
from cryopick_cli.formats.star_blocks import read_text

# Fifth column of EMAN 1: nothing; start and end of a filament.
_NO_SCORE = -3.0
_FILAMENT = (-1.0, -2.0)


def read_box(path: str | Path) -> pd.DataFrame:
    """Read a BOX file; an empty one holds no particles. A box is no diameter: it goes to ``box_size_px``.

    The fifth column is the score, or the figure of merit where it leaves 0 to 1, as Topaz's does.

    Raises
    ------
    FormatError
        If a row does not hold at least four numbers, or the rows are the ends of filaments.
    """
    path = Path(path)
    rows = read_number_rows(path, smallest=4)
    if rows.size == 0:
        return empty_coordinates()
    rating = rows[:, 4] if rows.shape[1] > 4 else np.full(len(rows), np.nan)
    if np.isin(rating, _FILAMENT).all():
        raise FormatError(
            f"{path}: holds ends of filaments (found -1 and -2 in column 5), expected particles"
        )
    x, y = centres_of(rows)
    rated = classify_ratings(np.where(rating == _NO_SCORE, np.nan, rating))
    return make_coordinates(x, y, box_size_px=rows[:, 2:4].mean(axis=1), **rated)


def write_box(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write the accepted picks, best first; centres are rounded to whole pixels.

    With ``half = box_size // 2`` a row is (round(x) - half, round(y) - half, box_size, box_size, score), so
    that EMAN and RELION, which add ``half`` again, find the pixel nearest to the centre.
    """
    path = Path(path)
    kept = accepted_only(table)
    box_size = box_size_for(path, kept, options)
    half = box_size // 2
    scores = score_or_merit(kept)
    lines = []
    for x, y, score in zip(np.rint(kept["x"]), np.rint(kept["y"]), scores, strict=True):
        row = f"{int(x) - half}\t{int(y) - half}\t{box_size}\t{box_size}"
        lines.append(row if np.isnan(score) else f"{row}\t{score_text(score)}")
    write_text(path, "".join(f"{line}\n" for line in lines), overwrite=options.overwrite)


def centres_of(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give centres of rows (corner x, corner y, width, height); whole numbers as EMAN counts them."""
    corner, size = rows[:, :2], rows[:, 2:4]
    whole = (corner % 1 == 0).all() and (size % 1 == 0).all()
    centre = corner + (size // 2 if whole else size / 2)
    return centre[:, 0], centre[:, 1]


def read_number_rows(path: Path, *, smallest: int) -> NDArray[np.float64]:
    """Read rows of numbers parted by blanks, tabs or commas; lines starting with # are left out.

    Returns
    -------
    (n, columns) float64
        (0, 0) for a file without rows.

    Raises
    ------
    FormatError
        If rows differ in length, hold fewer than ``smallest`` numbers or something else.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        texts = line.replace(",", " ").split()
        if not texts or texts[0].startswith("#"):
            continue
        try:
            rows.append([float(text) for text in texts])
        except ValueError:
            raise FormatError(f"{path}: line {number} is no row of numbers (found {line[:40]!r})") from None
        if len(texts) < smallest or len(texts) != len(rows[0]):
            expected = max(smallest, len(rows[0]))
            raise FormatError(
                f"{path}: line {number}: found {len(texts)} numbers, expected {expected}; "
                "the file may be truncated"
            )
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(rows[0]) if rows else 0)

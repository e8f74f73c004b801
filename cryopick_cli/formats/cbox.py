"""crYOLO's CBOX files: the corner of each box nearest the first stored pixel, px, y down the rows.

Written as crYOLO 1.8 and later: STAR syntax with all candidates, their confidence and estimated size, which
boxmanager opens with live filters. Also read: the older form, rows of numbers. Filaments are not particles.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.box import centres_of, read_number_rows
from cryopick_cli.formats.coordinates import (
    WriteOptions,
    box_size_for,
    empty_coordinates,
    make_coordinates,
    score_or_merit,
    score_text,
)
from cryopick_cli.formats.star_blocks import StarBlock, find_block, read_star_blocks, read_text

_LABELS = (
    "CoordinateX",
    "CoordinateY",
    "CoordinateZ",
    "Width",
    "Height",
    "Depth",
    "EstWidth",
    "EstHeight",
    "Confidence",
    "NumBoxes",
    "Angle",
)
_CORNER = _LABELS[:2]
_SIZE = ("Width", "Height")
_ESTIMATE = ("EstWidth", "EstHeight")


def read_cbox(path: str | Path) -> pd.DataFrame:
    """Read every candidate of a CBOX file; the file holds no decision, so all are accepted.

    Confidence becomes the score, the estimated size the diameter.

    Raises
    ------
    FormatError
        If the file is neither form of CBOX, or holds filaments.
    """
    path = Path(path)
    if "data_" not in read_text(path):
        return _read_old(path)
    block = find_block(read_star_blocks(path), *_CORNER, *_SIZE)
    if block is None:
        raise FormatError(
            f"{path}: is no CBOX file (no block with _CoordinateX, _CoordinateY, _Width, _Height)"
        )
    if "filamentid" in block:
        raise FormatError(f"{path}: holds filaments (found _filamentid), expected particles")
    x, y = (
        block.floats(corner) + block.floats(size) / 2 for corner, size in zip(_CORNER, _SIZE, strict=True)
    )
    return make_coordinates(
        x,
        y,
        score=_floats_or_nan(block, "Confidence"),
        diameter_px=_known((_floats_or_nan(block, _ESTIMATE[0]) + _floats_or_nan(block, _ESTIMATE[1])) / 2),
        box_size_px=(block.floats(_SIZE[0]) + block.floats(_SIZE[1])) / 2,
    )


def write_cbox(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write every candidate, accepted or not, in the table's order."""
    path = Path(path)
    box_size = float(box_size_for(path, table, options))
    columns = [
        table["x"] - box_size / 2,
        table["y"] - box_size / 2,
        np.full(len(table), np.nan),
        np.full(len(table), box_size),
        np.full(len(table), box_size),
        np.full(len(table), np.nan),
        table["diameter_px"],
        table["diameter_px"],
        score_or_merit(table),
        np.full(len(table), np.nan),
        np.full(len(table), np.nan),
    ]
    values = [np.asarray(column, dtype=np.float64).tolist() for column in columns]
    lines = ["", "data_global", "", "_cbox_format_version 1.0", " ", "", "data_cryolo", "", "loop_"]
    lines += [f"_{label} #{number}" for number, label in enumerate(_LABELS, start=1)]
    lines += [
        " ".join(_as_text(label, value) for label, value in zip(_LABELS, row, strict=True))
        for row in zip(*values, strict=True)
    ]
    lines += [" ", "", "data_cryolo_include", "", "loop_", "_slice_index #1", " ", ""]
    write_text(path, "\n".join(lines), overwrite=options.overwrite)


def _as_text(label: str, value: float) -> str:
    if np.isnan(value):
        return "<NA>"
    return score_text(value) if label == "Confidence" else f"{value:.6f}"


def _known(estimate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give estimates of the size, NaN where there is none: some programs write -1 then."""
    return np.where(estimate > 0, estimate, np.nan)


def _floats_or_nan(block: StarBlock, label: str) -> NDArray[np.float64]:
    return block.floats(label) if label in block else np.full(len(block), np.nan)


def _read_old(path: Path) -> pd.DataFrame:
    """Read rows of corner x, corner y, width, height, confidence and perhaps estimated width and height."""
    rows = read_number_rows(path, smallest=5)
    if rows.size == 0:
        return empty_coordinates()
    x, y = centres_of(rows)
    estimate = rows[:, 5:7].mean(axis=1) if rows.shape[1] >= 7 else np.full(len(rows), np.nan)
    return make_coordinates(
        x, y, score=rows[:, 4], diameter_px=_known(estimate), box_size_px=rows[:, 2:4].mean(axis=1)
    )

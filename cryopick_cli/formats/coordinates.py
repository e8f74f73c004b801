"""The coordinates table: columns, types, checks. Centres in px, first stored pixel (0, 0), y down.

One row a particle. ``x`` and ``y`` are the centre in pixels of the micrograph as read; the first stored pixel
is (0, 0), x runs along a stored row, y down the rows. Files are read and written by the modules beside this
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cryopick_cli.errors import ConfigError, FormatError, OutputError
from cryopick_cli.units import round_to_even

MICROGRAPH = "micrograph"
FLOAT_COLUMNS = ("x", "y", "diameter_px", "diameter_A", "score", "figure_of_merit")
COLUMNS = (*FLOAT_COLUMNS, "accepted")
# Of references: how much of the particle shows (0 to 1), and whether a pick there counts neither way.
# Of files made of boxes: the edge of the box, which is no diameter. Of picks: how much of the particle lies
# on junk (0 to 1), the score where junk does not count, and the score from which candidates were accepted.
OPTIONAL_COLUMNS = ("visible", "ignore", "box_size_px", "junk", "score_without_junk", "threshold")
_DTYPES: dict[str, str] = {
    **dict.fromkeys(FLOAT_COLUMNS, "float64"),
    "accepted": "bool",
    "visible": "float64",
    "ignore": "bool",
    "box_size_px": "float64",
    "junk": "float64",
    "score_without_junk": "float64",
    "threshold": "float64",
}
# Keeps log-odds within about +-16, which prints in RELION's columns.
_SMALLEST_ODDS = 1e-7
_BOX_PER_DIAMETER = 1.5


def empty_coordinates(*, with_micrograph: bool = False) -> pd.DataFrame:
    """Give a table of no particles with every column of its type."""
    return make_coordinates([], [], micrograph=[] if with_micrograph else None)


def make_coordinates(
    x: ArrayLike,
    y: ArrayLike,
    *,
    micrograph: str | Iterable[str] | None = None,
    **columns: ArrayLike,
) -> pd.DataFrame:
    """Build a table from centres and what else is known; what is not becomes NaN, and every row is accepted.

    Parameters
    ----------
    x, y : (n,) float
        Centres, px.
    micrograph : str or n str, optional
        Name of the micrograph; makes a many-micrograph table.
    **columns : (n,) or scalar
        Any of ``COLUMNS`` and ``OPTIONAL_COLUMNS``.

    Raises
    ------
    ValueError
        If a column is unknown or of another length.
    """
    unknown = set(columns) - set(_DTYPES)
    if unknown:
        raise ValueError(f"unknown columns {sorted(unknown)}, expected some of {sorted(_DTYPES)}")
    xs = np.asarray(x, dtype=np.float64)
    given: dict[str, ArrayLike] = {"x": xs, "y": y, **columns}
    table: dict[str, NDArray[Any]] = {}
    if micrograph is not None:
        names = [micrograph] * len(xs) if isinstance(micrograph, str) else list(micrograph)
        table[MICROGRAPH] = np.array(names, dtype=object)
    for column in (*COLUMNS, *(name for name in OPTIONAL_COLUMNS if name in given)):
        missing: ArrayLike = True if column == "accepted" else np.nan
        values = np.asarray(given.get(column, missing), dtype=_DTYPES[column])
        table[column] = np.broadcast_to(values, xs.shape)
    return pd.DataFrame(table, index=pd.RangeIndex(len(xs)))


def check_coordinates(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Give the table with its columns in order and of their types, or say what is wrong with it.

    Parameters
    ----------
    table : DataFrame
        With at least ``x`` and ``y``.
    where : str
        What the message calls it, mostly the file's name.

    Raises
    ------
    FormatError
        If x or y is missing or not finite, or a column does not hold what it should.
    """
    absent = [column for column in ("x", "y") if column not in table.columns]
    if absent:
        raise FormatError(
            f"{where}: no column {' and '.join(absent)} (found "
            f"{', '.join(map(str, table.columns)) or 'none'}, "
            "expected at least x and y); name the columns in the first line"
        )
    columns: dict[str, ArrayLike] = {}
    for column, dtype in _DTYPES.items():
        if column in table.columns:
            try:
                columns[column] = table[column].to_numpy(dtype=dtype)
            except (TypeError, ValueError) as error:
                raise FormatError(
                    f"{where}: column {column} does not hold {dtype} values ({error}); mend or remove "
                    "the line"
                ) from error
    checked = make_coordinates(
        columns.pop("x"),
        columns.pop("y"),
        micrograph=table[MICROGRAPH].astype(str) if MICROGRAPH in table.columns else None,
        **columns,
    )
    bad = ~np.isfinite(checked[["x", "y"]].to_numpy()).all(axis=1)
    if bad.any():
        raise FormatError(
            f"{where}: row {int(np.argmax(bad)) + 1} has no finite x and y; repair or remove it"
        )
    return checked


def concat_coordinates(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join one-micrograph tables, keyed by name, to one many-micrograph table in the same order."""
    parts = [
        make_coordinates(
            table["x"],
            table["y"],
            micrograph=name,
            **{
                column: table[column]
                for column in table.columns
                if column in _DTYPES and column not in ("x", "y")
            },
        )
        for name, table in tables.items()
        if len(table)
    ]
    if not parts:
        return empty_coordinates(with_micrograph=True)
    joined = pd.concat(parts, ignore_index=True)
    if "ignore" in joined:
        joined["ignore"] = joined["ignore"].eq(True)
    return joined


def split_by_micrograph(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split a many-micrograph table into one-micrograph tables by name, in order of first appearance."""
    return {
        str(name): part.drop(columns=MICROGRAPH).reset_index(drop=True)
        for name, part in table.groupby(MICROGRAPH, sort=False)
    }


def accepted_only(table: pd.DataFrame) -> pd.DataFrame:
    """Give the accepted rows, best figure of merit (else score) first; equal ones keep their order."""
    kept = table[table["accepted"]]
    merit = kept["figure_of_merit"].where(kept["figure_of_merit"].notna(), kept["score"])
    order = np.argsort(-merit.fillna(-np.inf).to_numpy(dtype=np.float64), kind="stable")
    return kept.iloc[order].reset_index(drop=True)


def score_or_merit(table: pd.DataFrame) -> NDArray[np.float64]:
    """Give the score, or the figure of merit where there is no score; NaN where there is neither."""
    return table["score"].where(table["score"].notna(), table["figure_of_merit"]).to_numpy(dtype=np.float64)


def score_text(score: float) -> str:
    """Write a score in full, without an exponent, which not every reader of a file of boxes may know."""
    return np.format_float_positional(score, trim="0")


def classify_ratings(rating: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Tell which column a file's ratings are: ``score``, or ``figure_of_merit`` where one leaves 0 to 1.

    A score is a probability. Topaz's log-likelihood ratios are none, and of a score above 1 or below 0 the
    log-odds would be lost.
    """
    values = np.asarray(rating, dtype=np.float64)
    probable = bool((np.isnan(values) | ((values >= 0) & (values <= 1))).all())
    return {"score" if probable else "figure_of_merit": values}


def merit_or_log_odds(table: pd.DataFrame) -> NDArray[np.float64]:
    """Give the figure of merit, or the log-odds of the score where there is none; NaN where there is neither.

    Log-odds suit RELION's slider for the minimum figure of merit, which runs from -5 to 10.
    """
    merit = table["figure_of_merit"].to_numpy(dtype=np.float64)
    return np.where(np.isnan(merit), log_odds(table["score"].to_numpy(dtype=np.float64)), merit)


def log_odds(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the log-odds of scores, finite for 0 and 1 too: the figure of merit of cryopick's picks."""
    bounded = np.clip(score, _SMALLEST_ODDS, 1.0 - _SMALLEST_ODDS)
    return np.asarray(np.log(bounded / (1.0 - bounded)), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class MicrographInfo:
    """What some formats store of the micrograph: (h, w), Å per pixel, and cryoSPARC's identifiers."""

    shape: tuple[int, int] | None = None
    pixel_size: float | None = None
    uid: int | None = None
    exposure_group: int | None = None


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """How coordinates are written.

    Attributes
    ----------
    box_size_px : int or None
        Edge of the boxes of formats made of boxes; None takes the table's own, else 1.5 median diameters.
    micrographs : mapping of str to MicrographInfo
        By name as in the table; only cryoSPARC's format needs it.
    cs_flip_y : bool
        Count cryoSPARC's y from the last row.
    overwrite : bool
        Replace a file that is there.
    """

    box_size_px: int | None = None
    micrographs: Mapping[str, MicrographInfo] = field(default_factory=dict)
    cs_flip_y: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse a box that is none."""
        if self.box_size_px is not None and self.box_size_px <= 0:
            raise ConfigError(f"box size: found {self.box_size_px} px, expected a positive whole number")


def box_size_for(path: Path, table: pd.DataFrame, options: WriteOptions) -> int:
    """Give the edge of the boxes to write, px: as asked, else the table's, else 1.5 median diameters, even.

    Raises
    ------
    OutputError
        If the table holds rows but says nothing of their size.
    """
    if options.box_size_px is not None:
        return options.box_size_px
    if "box_size_px" in table.columns and table["box_size_px"].notna().any():
        return round(float(table["box_size_px"].median()))
    if table["diameter_px"].notna().any():
        return round_to_even(_BOX_PER_DIAMETER * float(table["diameter_px"].median()))
    if len(table):
        raise OutputError(f"{path}: the box size is unknown (found no diameter and no box); give --box-size")
    return 0

"""Coordinates in CSV and TSV with a header line: centres, px, first stored pixel (0, 0), y down the rows.

cryopick's own columns, and Topaz's table (``image_name``, ``x_coord``, ``y_coord``, ``score``), whose centres
are whole pixels of the micrograph the table was made for (Topaz often works on reduced ones).
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.coordinates import (
    COLUMNS,
    MICROGRAPH,
    OPTIONAL_COLUMNS,
    WriteOptions,
    accepted_only,
    check_coordinates,
    classify_ratings,
    score_or_merit,
)
from cryopick_cli.formats.micrograph import split_suffix
from cryopick_cli.formats.star_blocks import read_text

# Lower-case header to our column; what other programs and older tables call the same thing.
_ALIASES = {
    "diameter": "diameter_px",
    "diameter_a": "diameter_A",
    "image_name": MICROGRAPH,
    "micrograph_name": MICROGRAPH,
    "x_coord": "x",
    "y_coord": "y",
    "x-coordinate": "x",
    "y-coordinate": "y",
    "confidence": "score",
    "fom": "figure_of_merit",
}
_BOOLEAN = {
    "true": True,
    "1": True,
    "1.0": True,
    "yes": True,
    "false": False,
    "0": False,
    "0.0": False,
    "no": False,
}
# Whatever is a score is written in full: rounded, those near 0 and 1 would lose their log-odds.
_DECIMALS = {
    "x": 3,
    "y": 3,
    "diameter_px": 3,
    "diameter_A": 3,
    "visible": 4,
}
# The order in which tables are written: what a reader wants first, then the rest.
_WRITTEN = (
    *(column for column in COLUMNS if column != "figure_of_merit"),
    "figure_of_merit",
    *OPTIONAL_COLUMNS,
)


def read_delimited(path: str | Path) -> pd.DataFrame:
    """Read a table parted by commas, semicolons, tabs or blanks, whichever the header line uses.

    Scores that leave 0 to 1, as Topaz's do, are figures of merit unless the table has those as well.

    Raises
    ------
    FormatError
        If there is no header with x and y, a row has another length, or a value is not of its column's type.
    """
    path = Path(path)
    text = read_text(path)
    header, _, body = text.lstrip().partition("\n")
    if not header.strip():
        raise FormatError(f"{path}: is empty (expected a header line with x and y)")
    delimiter = max(",;\t", key=header.count)
    if delimiter not in header:
        delimiter = " "
        body = "\n".join(" ".join(line.split()) for line in body.splitlines())
    names = [
        _column(name)
        for name in next(csv.reader([header.strip()], delimiter=delimiter, skipinitialspace=True))
    ]
    columns: dict[str, list[str]] = {name: [] for name in names}
    for number, row in enumerate(csv.reader(io.StringIO(body), delimiter=delimiter), start=2):
        if not any(value.strip() for value in row):
            continue
        if len(row) != len(names):
            raise FormatError(
                f"{path}: line {number}: found {len(row)} values, expected {len(names)}; mend or remove the "
                "line, or copy the file again where it is truncated"
            )
        for name, value in zip(names, row, strict=True):
            columns[name].append(value.strip())
    table = check_coordinates(pd.DataFrame(_typed(path, columns)), str(path))
    if "figure_of_merit" not in columns:
        table["score"], rated = np.nan, classify_ratings(table["score"])
        for name, values in rated.items():
            table[name] = values
    return table


def write_csv(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write every row, accepted or not: lengths to 0.001, scores in full."""
    write_text(path, _delimited(table, ","), overwrite=options.overwrite)


def write_tsv(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write as :func:`write_csv`, parted by tabs."""
    write_text(path, _delimited(table, "\t"), overwrite=options.overwrite)


def write_topaz(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write the accepted picks of all micrographs as Topaz does: bare names, whole pixels."""
    kept = accepted_only(table)
    written = pd.DataFrame(
        {
            "image_name": [split_suffix(Path(name).name)[0] for name in kept[MICROGRAPH]],
            "x_coord": np.rint(kept["x"]).astype(int),
            "y_coord": np.rint(kept["y"]).astype(int),
            "score": score_or_merit(kept),
        }
    )
    write_text(path, written.to_csv(index=False, sep="\t", lineterminator="\n"), overwrite=options.overwrite)


def _column(name: str) -> str:
    cleaned = name.strip()
    return _ALIASES.get(cleaned.lower(), cleaned if cleaned in _WRITTEN else cleaned.lower())


def _typed(path: Path, columns: dict[str, list[str]]) -> dict[str, object]:
    typed: dict[str, object] = {}
    for name, values in columns.items():
        if name in ("accepted", "ignore"):
            unknown = [value for value in values if value.lower() not in _BOOLEAN]
            if unknown:
                raise FormatError(f"{path}: column {name}: found {unknown[0]!r}, expected true or false")
            typed[name] = [_BOOLEAN[value.lower()] for value in values]
        elif name in _WRITTEN:
            typed[name] = [value or "nan" for value in values]
        else:
            typed[name] = values
    return typed


def _delimited(table: pd.DataFrame, delimiter: str) -> str:
    written = [column for column in (MICROGRAPH, *_WRITTEN) if column in table.columns]
    rounded = table[written].round({name: places for name, places in _DECIMALS.items() if name in written})
    return rounded.to_csv(index=False, sep=delimiter, lineterminator="\n")

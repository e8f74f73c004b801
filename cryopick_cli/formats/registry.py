"""Every coordinate format: name, suffix, reader, writer and what it keeps; the docs' list is made of it.

Whatever the format, the table is the one of :mod:`cryopick_cli.formats.coordinates`: centres, px, y down the
rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cryopick_cli.errors import ConfigError, FormatError, OutputError
from cryopick_cli.formats import box, cbox, cryosparc, cryosparc_group, delimited, eman2, star, warp
from cryopick_cli.formats.coordinates import MICROGRAPH, WriteOptions, check_coordinates
from cryopick_cli.formats.micrograph import is_micrograph_name

Reader = Callable[[Path], pd.DataFrame]
Writer = Callable[[Path, pd.DataFrame, WriteOptions], None]


@dataclass(frozen=True, kw_only=True)
class CoordinateFormat:
    """One format.

    Attributes
    ----------
    name : str
        What ``--format``, ``--from`` and ``--to`` take.
    suffix : str
        What is put after a micrograph's stem (``one_file`` false), or the ending of the one file's name.
    program : str
        Who reads it.
    read, write : callable
        Path to table, and back.
    one_file : bool
        True where all micrographs share one file, whose table must have a column ``micrograph``.
    names_micrograph : bool
        True where the rows name their micrograph.
    keeps : tuple of str
        Columns besides x and y that survive a round trip.
    flat : bool
        True where the program knows micrographs by stem alone and looks for the files in one folder.
    rejected_too : bool
        True where candidates that were not accepted are written as well.
    rounding : str
        What becomes of fractions of a pixel.
    stored : str
        What stands in the file; in memory it is always centres in px.
    """

    name: str
    suffix: str
    program: str
    read: Reader
    write: Writer
    one_file: bool = False
    names_micrograph: bool = False
    keeps: tuple[str, ...] = ()
    flat: bool = False
    rejected_too: bool = False
    rounding: str = "none"
    stored: str = "centre, px"


def _write_autopick(path: Path, table: pd.DataFrame, options: WriteOptions) -> None:
    star.write_autopick_star(path, table, overwrite=options.overwrite)


_ALL = ("diameter_px", "diameter_A", "score", "figure_of_merit", "accepted")

FORMATS: dict[str, CoordinateFormat] = {
    one.name: one
    for one in (
        CoordinateFormat(
            name="star",
            suffix="_autopick.star",
            program="RELION 2 to 5",
            read=star.read_star,
            write=_write_autopick,
            keeps=("figure_of_merit",),
        ),
        CoordinateFormat(
            name="particles",
            suffix=".star",
            program="RELION; cryoSPARC's Import Particle Stack",
            read=star.read_star,
            write=star.write_particles_star,
            one_file=True,
            names_micrograph=True,
            keeps=("figure_of_merit",),
        ),
        CoordinateFormat(
            name="box",
            suffix=".box",
            program="EMAN, RELION",
            read=box.read_box,
            write=box.write_box,
            keeps=("score", "box_size_px"),
            rounding="whole pixels",
            stored="corner and edges of a box, px",
        ),
        CoordinateFormat(
            name="cbox",
            suffix=".cbox",
            program="crYOLO, boxmanager",
            read=cbox.read_cbox,
            write=cbox.write_cbox,
            keeps=("score", "diameter_px", "box_size_px"),
            rejected_too=True,
            stored="corner and edges of a box, px",
        ),
        CoordinateFormat(
            name="csv",
            suffix=".csv",
            program="cryopick, spreadsheets",
            read=delimited.read_delimited,
            write=delimited.write_csv,
            keeps=_ALL,
            rejected_too=True,
        ),
        CoordinateFormat(
            name="tsv",
            suffix=".tsv",
            program="cryopick, spreadsheets",
            read=delimited.read_delimited,
            write=delimited.write_tsv,
            keeps=_ALL,
            rejected_too=True,
        ),
        CoordinateFormat(
            name="topaz",
            suffix=".txt",
            program="Topaz",
            read=delimited.read_delimited,
            write=delimited.write_topaz,
            one_file=True,
            names_micrograph=True,
            keeps=("score",),
            rounding="whole pixels",
        ),
        CoordinateFormat(
            name="eman2",
            suffix="_info.json",
            program="EMAN2",
            read=eman2.read_eman2,
            write=eman2.write_eman2,
            flat=True,
        ),
        CoordinateFormat(
            name="cs",
            suffix=".cs",
            program="cryoSPARC",
            read=cryosparc.read_cs,
            write=cryosparc.write_cs,
            one_file=True,
            names_micrograph=True,
            keeps=("figure_of_merit",),
            stored="centre, fraction of the micrograph",
        ),
        CoordinateFormat(
            name="warp",
            suffix="_cryopick.star",
            program="Warp, M",
            read=star.read_star,
            write=warp.write_warp,
            names_micrograph=True,
            keeps=("figure_of_merit",),
            flat=True,
        ),
    )
}
# Endings that say how a file is read; every STAR file is read by one reader, every table by another.
_BY_ENDING = {
    "_info.json": "eman2",
    ".star": "star",
    ".box": "box",
    ".cbox": "cbox",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "topaz",
    ".cs": "cs",
}


def find_format(name: str) -> CoordinateFormat:
    """Give the format of this name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in FORMATS:
        raise ConfigError(f"coordinate format: found {name!r}, expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def format_of(path: str | Path) -> CoordinateFormat | None:
    """Give the format that a file's name tells, or None."""
    lowered = Path(path).name.lower()
    return next((FORMATS[name] for ending, name in _BY_ENDING.items() if lowered.endswith(ending)), None)


def read_coordinates(path: str | Path, format: str | None = None, *, cs_flip_y: bool = False) -> pd.DataFrame:
    """Read coordinates in any format; with a column ``micrograph`` where the file names micrographs.

    Parameters
    ----------
    path : str or Path
        The file.
    format : str, optional
        A key of ``FORMATS``; else the file's name tells.
    cs_flip_y : bool
        Count cryoSPARC's y from the last row; without effect on other formats.

    Raises
    ------
    FormatError
        If the file's name tells no format, or the file is not of it.
    """
    path = Path(path)
    known = find_format(format) if format is not None else format_of(path)
    if known is None and path.suffix.lower() == cryosparc_group.SUFFIX:
        known = FORMATS["cs"]  # a group leads to its dataset; in a folder the dataset itself is read
    if known is None:
        kind = "a micrograph's name tells" if is_micrograph_name(path.name) else "the name tells"
        raise FormatError(
            f"{path}: {kind} no coordinate format (expected an ending of {', '.join(_BY_ENDING)}); "
            "give a file of coordinates, rename it or name its format"
        )
    flipped = cs_flip_y and known.name == "cs"
    table = cryosparc.read_cs(path, flip_y=True) if flipped else known.read(path)
    return check_coordinates(table, str(path))


def write_coordinates(
    path: str | Path, table: pd.DataFrame, format: str | None = None, options: WriteOptions | None = None
) -> None:
    """Write coordinates in any format.

    Parameters
    ----------
    path : str or Path
        The file.
    table : DataFrame
        One micrograph's, or with a column ``micrograph`` where the format needs it.
    format : str, optional
        A key of ``FORMATS``; else the file's name tells.
    options : WriteOptions, optional
        Box size, micrographs, overwriting.

    Raises
    ------
    OutputError
        If the name tells no format, the table lacks ``micrograph`` or holds several for a one-micrograph
        file, or the file cannot be written.
    """
    path = Path(path)
    known = find_format(format) if format is not None else format_of(path)
    if known is None:
        raise OutputError(f"{path}: the name tells no coordinate format; name one of {', '.join(FORMATS)}")
    checked = check_coordinates(table, str(path))
    if known.names_micrograph and MICROGRAPH not in checked.columns:
        raise OutputError(
            f"{path}: {known.name} names the micrograph of every row; the table lacks that column"
        )
    holds_any_number = known.one_file or known.name in ("csv", "tsv")
    count = len(set(checked[MICROGRAPH])) if MICROGRAPH in checked.columns else 1
    if count > 1 and not holds_any_number:
        raise OutputError(f"{path}: found {count} micrographs, expected 1; {known.name} has a file for each")
    known.write(path, checked, options or WriteOptions())

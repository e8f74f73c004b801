"""The coordinates of many micrographs: from folders, lists and files to tables by name, and back to files.

The formats themselves are read and written by the registry. Which picks belong to which micrograph under
another name is found in :mod:`cryopick_cli.evaluation.folders`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from cryopick_cli.errors import InputError, OutputError
from cryopick_cli.formats.coordinates import MICROGRAPH, WriteOptions, concat_coordinates, split_by_micrograph
from cryopick_cli.formats.inputs import common_folder, output_tree
from cryopick_cli.formats.registry import (
    FORMATS,
    CoordinateFormat,
    find_format,
    format_of,
    read_coordinates,
    write_coordinates,
)
from cryopick_cli.formats.star import read_star
from cryopick_cli.formats.star_blocks import read_text
from cryopick_cli.formats.star_micrographs import below_job, read_coordinate_list

PICKS_TABLE = "picks.csv"
# RELION 3.1's file of this name holds no coordinates but the name of a list.
_NO_PICKS = "coords_suffix_"
# Where all micrographs share a file and only a folder was named.
_SHARED_STEM = "particles"
# What pickers put between a micrograph's name and `.star`.
_PICKED = re.compile(r"_[^\W_]*pick$")


def read_collection(
    inputs: Sequence[str | Path], format: str | None = None, *, cs_flip_y: bool = False
) -> dict[str, pd.DataFrame]:
    """Read the coordinates of many micrographs.

    Parameters
    ----------
    inputs : sequence of str or Path
        Each the output folder of ``cryopick pick`` (every candidate is read), another folder with coordinate
        files of one format (searched in depth, hidden ones skipped), RELION's list ``autopick.star``, or one
        file.
    format : str, optional
        A key of ``FORMATS``; of a folder only files with its ending are then read. Else the names tell.
    cs_flip_y : bool
        Count cryoSPARC's y from the last row.

    Returns
    -------
    dict of str to DataFrame
        By the micrograph's name where the file gives one, else by the file's name below the folder, without
        ending.

    Raises
    ------
    InputError
        If an input is missing, holds no coordinates or several formats, or a micrograph comes twice.
    """
    tables: dict[str, pd.DataFrame] = {}
    for one in inputs:
        for name, table in _read_one(Path(one), format, cs_flip_y).items():
            if name in tables:
                raise InputError(f"{one}: found {name} a second time, expected it once; move one away")
            tables[name] = table
    return tables


def write_collection(
    out: Path,
    tables: Mapping[str, pd.DataFrame],
    format: CoordinateFormat,
    options: WriteOptions,
    trees: Mapping[str, str] | None = None,
) -> dict[str, Path]:
    """Write the coordinates of many micrographs.

    Parameters
    ----------
    out : Path
        A file where its name ends as the format's files do, else a folder: for a file a micrograph, or for
        one file called ``particles``.
    tables : mapping of str to DataFrame
        By the micrograph's name.
    format : CoordinateFormat
        What to write.
    options : WriteOptions
        Box size, micrographs, overwriting.
    trees : mapping of str to str, optional
        By name, the path below the folder without ending. Else that is the name's own, of RELION's below its
        job, of others below the folder they share; only STAR files keep that too, as RELION looks for it.
        Programs that know stems alone get their files in one folder.

    Returns
    -------
    dict of str to Path
        The file of each micrograph.

    Raises
    ------
    OutputError
        If two micrographs would share a file for one, or a file cannot be written.
    """
    if names_file(out, format):
        alone = len(tables) == 1 and not format.one_file
        table = _single(tables, format) if alone else concat_coordinates(tables)
        write_coordinates(out, table, format.name, options)
        return dict.fromkeys(tables, out)
    if format.one_file:
        path = out / f"{_SHARED_STEM}{format.suffix}"
        write_coordinates(path, concat_coordinates(tables), format.name, options)
        return dict.fromkeys(tables, path)
    paths = _paths(out, tables, format, trees or {})
    for name, table in tables.items():
        write_coordinates(paths[name], _single({name: table}, format), format.name, options)
    return paths


def names_file(out: Path, format: CoordinateFormat) -> bool:
    """Tell whether an output names a file of the format, not a folder; a folder that is there stays one."""
    known = format_of(out)
    return not out.is_dir() and known is not None and known.read is format.read


def _single(tables: Mapping[str, pd.DataFrame], format: CoordinateFormat) -> pd.DataFrame:
    ((name, table),) = tables.items()
    if not format.names_micrograph:
        return table
    named = table.copy()
    named.insert(0, MICROGRAPH, pd.Series([name] * len(table), index=table.index, dtype=object))
    return named


def _paths(
    out: Path, tables: Mapping[str, pd.DataFrame], format: CoordinateFormat, trees: Mapping[str, str]
) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for name, tree in _trees(tables, format, trees).items():
        path = out / f"{PurePosixPath(tree).name if format.flat else tree}{format.suffix}"
        other = taken.setdefault(path.as_posix().casefold(), name)
        if other != name:
            raise OutputError(f"{path}: {other} and {name} would both be written here; convert them apart")
        paths[name] = path
    return paths


def _trees(names: Iterable[str], format: CoordinateFormat, given: Mapping[str, str]) -> dict[str, str]:
    trees = {name: given.get(name, output_tree(name)) for name in names}
    own = [name for name in trees if name not in given and below_job(name) == name]
    if format.read is not read_star:
        shared = common_folder([trees[name] for name in own])
        trees |= {name: trees[name][len(shared) :] for name in own}
    return trees


def _read_one(path: Path, format: str | None, cs_flip_y: bool) -> dict[str, pd.DataFrame]:
    if path.is_file():
        return _read_file(path, path.parent, format, cs_flip_y)
    if not path.is_dir():
        raise InputError(f"{path}: is missing (expected a folder or file of coordinates); check the name")
    if format is None and (path / PICKS_TABLE).is_file():
        return _read_file(path / PICKS_TABLE, path, None, cs_flip_y)
    tables: dict[str, pd.DataFrame] = {}
    for file in _coordinate_files(path, format):
        for name, table in _read_file(file, path, format, cs_flip_y).items():
            if name in tables:
                raise InputError(f"{file}: found {name} a second time, expected it once; move one away")
            tables[name] = table
    return tables


def _read_file(path: Path, root: Path, format: str | None, cs_flip_y: bool) -> dict[str, pd.DataFrame]:
    if path.suffix.lower() == ".star" and _is_list(path):
        return {name: read_coordinates(file, "star") for name, file in read_coordinate_list(path)}
    table = read_coordinates(path, format, cs_flip_y=cs_flip_y)
    if MICROGRAPH in table.columns:
        return split_by_micrograph(table)
    return {_name_of(path.relative_to(root)): table}


def describe_files(folder: Path) -> str:
    """Say what lies in a folder that holds nothing of what was looked for."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    first = f" such as {files[0].relative_to(folder).as_posix()}" if files else ""
    return f" among {len(files)} files{first}"


def _is_list(path: Path) -> bool:
    return "_rlnMicrographCoordinates" in read_text(path)


def _name_of(path: Path) -> str:
    """Give the micrograph's name that a coordinate file's own name tells."""
    name = path.as_posix()
    ending = next((one.suffix for one in FORMATS.values() if name.lower().endswith(one.suffix)), path.suffix)
    return _PICKED.sub("", name[: len(name) - len(ending)])


def _coordinate_files(folder: Path, format: str | None) -> list[Path]:
    wanted = None if format is None else format_of(f"m{find_format(format).suffix}")
    by_format: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", _NO_PICKS)) for part in path.relative_to(folder).parts)
        known = format_of(path)
        if known is not None and not hidden and path.is_file() and wanted in (None, known):
            by_format.setdefault(known.name, []).append(path)
    if not by_format:
        expected = "coordinate files" if wanted is None else f"files ending in {wanted.suffix}"
        raise InputError(
            f"{folder}: no coordinates in this folder (found 0 {expected}{describe_files(folder)}); check "
            "the name of the folder" + ("" if wanted is None else ", or --from")
        )
    if len(by_format) > 1:
        raise InputError(
            f"{folder}: found several formats ({', '.join(by_format)}), expected one; name it with --from"
        )
    (files,) = by_format.values()
    picked = [path for path in files if _PICKED.search(path.stem) and not _is_list(path)]
    # RELION keeps lists of micrographs and of jobs beside the coordinates.
    return picked if picked and files[0].suffix.lower() == ".star" else files

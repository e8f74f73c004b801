"""Picks and reference coordinates from folders and files, and which of them belong to one micrograph.

Reads through the formats' registry and pairs by name. What the tables are judged by is `evaluate.py`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pandas as pd

from cryopick_cli.errors import InputError
from cryopick_cli.formats.collection import describe_files
from cryopick_cli.formats.coordinates import MICROGRAPH, split_by_micrograph
from cryopick_cli.formats.micrograph import is_micrograph_name, split_suffix
from cryopick_cli.formats.registry import format_of, read_coordinates
from cryopick_cli.progress import Watch, unwatched

logger = logging.getLogger(__name__)

# Where `cryopick pick` keeps every candidate.
PICKS_TABLE = "picks.csv"
# Of several formats in one folder the first of these is read: those that keep diameters and scores come
# first.
PREFERRED = ("csv", "tsv", "cbox", "star", "box", "eman2", "topaz", "cs")
# What pickers put between a micrograph's name and `.star`.
_PICKED = re.compile(r"_[^\W_]*pick$")
# The identifier that cryoSPARC puts before the name of a micrograph.
_UID_PREFIX = re.compile(r"^\d{15,21}_")
# What cryoSPARC's motion correction puts behind the movie's name.
_ALIGNED = re.compile(r"_(patch|rigid)_aligned(_doseweighted)?$")


def read_tables(path: Path, watch: Watch = unwatched) -> dict[str, pd.DataFrame]:
    """Read the coordinates of several micrographs, by the micrograph's name.

    Parameters
    ----------
    path
        The output folder of ``cryopick pick`` (every candidate is read), any other folder with a coordinate
        file a micrograph (searched in depth), or one file. Where a folder holds several formats, one is
        read: the first of ``PREFERRED``. Where a file's rows name their micrographs, those names count;
        else the file's own.
    watch
        Looks on while the files of a folder are read.

    Raises
    ------
    InputError
        If there is no such file or folder, no coordinate file in it, or two files for one micrograph.
    FormatError
        If a file cannot be read.
    """
    if path.is_file():
        return _read_file(path, path.parent)
    if not path.is_dir():
        raise InputError(f"{path}: found no such file or folder, expected coordinates; check the path")
    if (path / PICKS_TABLE).is_file():
        return _read_file(path / PICKS_TABLE, path)
    tables: dict[str, pd.DataFrame] = {}
    files = _coordinate_files(path)
    with watch(f"Reading {path}", len(files), "files") as advance:
        for file in files:
            for name, table in _read_file(file, path).items():
                if name in tables:
                    raise InputError(f"{file}: found {name} a second time, expected it once; move one away")
                tables[name] = table
            advance(file.name)
    return tables


def add_ignored(
    reference: Mapping[str, pd.DataFrame], ignored: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Add places where a pick counts neither way to the reference tables of the same micrographs."""
    by_name = pair_by_name(ignored, reference)
    joined = {}
    for name, table in reference.items():
        parts = [table] if name not in by_name else [table, by_name[name].assign(ignore=True)]
        joined[name] = pd.concat([part for part in parts if len(part)] or [table], ignore_index=True)
        marks = joined[name].get("ignore")
        joined[name]["ignore"] = False if marks is None else marks.eq(True)
    return joined


def choose_micrographs(
    reference: Mapping[str, pd.DataFrame],
    subset: Sequence[str] = (),
    micrographs: Sequence[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Keep the micrographs that are to be judged.

    Parameters
    ----------
    reference
        Tables by name.
    subset
        Glob patterns for the name without folder and suffix; one that fits is enough. None given keeps all.
    micrographs
        Names of micrographs; only what has one of these names stays.

    Raises
    ------
    InputError
        If nothing is left.
    """
    kept = dict(reference)
    if subset:
        kept = {
            name: table
            for name, table in kept.items()
            if any(fnmatchcase(_parts(name)[-1], pattern) for pattern in subset)
        }
    if micrographs is not None:
        pairs = pair_names(kept, micrographs)
        kept = {name: table for name, table in kept.items() if pairs[name] is not None}
    if not kept:
        raise InputError(
            f"reference: none of {len(reference)} micrographs is left to be judged, expected at least one; "
            f"check --subset and --micrographs (the reference holds {', '.join(sorted(reference)[:3])})"
        )
    return kept


def pair_by_name(picks: Mapping[str, pd.DataFrame], reference: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Give the picks under the names that the reference uses; what has no partner is left out."""
    pairs = pair_names(reference, picks)
    return {name: picks[found] for name, found in pairs.items() if found is not None}


def pair_names(wanted: Iterable[str], offered: Iterable[str]) -> dict[str, str | None]:
    """Find for each name the one of the same micrograph among others.

    Two names mean one micrograph where their last parts agree without suffix, a picker's ending
    (``_autopick``) or cryoSPARC's number in front; where none does, without what its motion correction puts
    behind (``_patch_aligned_doseweighted``) either. Where several agree, the folders before it decide.

    Raises
    ------
    InputError
        If the folders leave several, or two names find the same one.
    """
    by_stem: dict[str, list[str]] = {}
    by_movie: dict[str, list[str]] = {}
    for name in offered:
        stem = _parts(name)[-1]
        by_stem.setdefault(stem, []).append(name)
        by_movie.setdefault(_ALIGNED.sub("", stem), []).append(name)
    pairs: dict[str, str | None] = {}
    taken: dict[str, str] = {}
    for name in wanted:
        stem = _parts(name)[-1]
        found = _best(name, by_stem.get(stem) or by_movie.get(_ALIGNED.sub("", stem), []))
        if found is not None and taken.setdefault(found, name) != name:
            raise InputError(
                f"{name} and {taken[found]}: both would be judged against {found}, expected different names; "
                "keep the folders' names as those of the micrographs, or judge one folder at a time"
            )
        pairs[name] = found
    return pairs


def _best(name: str, candidates: list[str]) -> str | None:
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    depth = {one: _common_tail(_parts(name), _parts(one)) for one in candidates}
    deepest = [one for one in candidates if depth[one] == max(depth.values())]
    if len(deepest) > 1:
        raise InputError(
            f"{name}: found {len(deepest)} of this name ({deepest[0]}, {deepest[1]}), expected one; "
            "keep the folders' names as those of the micrographs, or judge one folder at a time"
        )
    return deepest[0]


def _common_tail(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    length = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        length += 1
    return length


def _parts(name: str) -> tuple[str, ...]:
    """Split a name at its folders, its last part without suffix, picker's ending and cryoSPARC's number."""
    *folders, last = PurePosixPath(name.replace("\\", "/")).parts
    stem = split_suffix(last)[0] if is_micrograph_name(last) else last
    return (*folders, _UID_PREFIX.sub("", _PICKED.sub("", stem)))


def _read_file(path: Path, root: Path) -> dict[str, pd.DataFrame]:
    table = read_coordinates(path)
    if MICROGRAPH in table.columns:
        return split_by_micrograph(table)
    known = format_of(path)
    ending = ".star" if path.suffix.lower() == ".star" else known.suffix if known is not None else path.suffix
    below = path.relative_to(root)
    return {below.with_name(below.name[: -len(ending)]).as_posix(): table}


def _coordinate_files(folder: Path) -> list[Path]:
    by_format: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        known = format_of(path)
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if known is not None and path.is_file() and not hidden and not path.name.startswith("coords_suffix_"):
            by_format.setdefault(known.name, []).append(path)
    chosen = next((name for name in PREFERRED if name in by_format), None)
    if chosen is None:
        raise InputError(
            f"{folder}: found no coordinate file{describe_files(folder)}, expected one a micrograph; check "
            "the name of the folder"
        )
    if len(by_format) > 1:
        logger.info("%s: several formats are there; the %s files are read", folder, chosen)
    files = by_format[chosen]
    if chosen == "star":  # RELION keeps lists of micrographs and of jobs beside the coordinates
        files = [path for path in files if _PICKED.search(path.stem)] or files
    return files

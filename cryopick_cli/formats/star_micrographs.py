"""RELION's tables of micrographs: names, files, pixel sizes, optics groups. No coordinates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.errors import InputError
from cryopick_cli.formats.star_blocks import StarBlock, find_block, read_star_blocks

_JOB = re.compile(r"^.*?/job\d{3}[^/]*/")
_MICROMETRES_TO_ANGSTROM = 1e4


@dataclass(frozen=True)
class StarMicrograph:
    """A row of a micrographs table: name letter by letter, file, Å per pixel and optics group if known."""

    name: str
    path: Path
    pixel_size: float | None
    optics_group: str | None


def below_job(name: str) -> str:
    """Cut the leading ``Type/jobNNN/`` of a name, as RELION does for its outputs; others stay whole."""
    return _JOB.sub("", name, count=1)


def read_micrographs_star(path: str | Path) -> list[StarMicrograph]:
    """Read the micrographs that a RELION STAR file names, each once.

    Takes ``micrographs.star`` of RELION 2 to 5 (with or without optics groups), a coordinates list, and
    particles, whose micrographs are meant. Files are looked for below the working folder (RELION's project
    root), else below the STAR file's folder and those above it; a missing one keeps the path below the
    working folder.

    Raises
    ------
    FormatError
        If the file is no STAR file.
    InputError
        If it names no micrographs, or movies.
    """
    path = Path(path)
    blocks = read_star_blocks(path)
    block = find_block(blocks, "rlnMicrographName")
    if block is None:
        if find_block(blocks, "rlnMicrographMovieName"):
            raise InputError(
                f"{path}: lists movies (found _rlnMicrographMovieName); give the aligned micrographs"
            )
        raise InputError(f"{path}: names no micrographs (found no column _rlnMicrographName); check the file")
    names = block.texts("rlnMicrographName")
    if not names:
        raise InputError(f"{path}: names no micrographs (found 0 rows); check the job that wrote it")
    optics = find_block(blocks, "rlnOpticsGroup", "rlnOpticsGroupName")
    groups = _optics_groups(block, optics, len(names))
    sizes = _pixel_sizes(block, optics, len(names))
    locate = _Locator(path)
    rows: dict[str, StarMicrograph] = {}
    for name, size, group in zip(names, sizes.tolist(), groups, strict=True):
        if name not in rows:
            known = size if np.isfinite(size) and size > 0 else None
            rows[name] = StarMicrograph(name, locate(name), known, group)
    return list(rows.values())


def read_coordinate_list(path: str | Path) -> list[tuple[str, Path]]:
    """Read RELION 4 and 5's list: pairs of micrograph name and coordinate file.

    Files are looked for as in :func:`read_micrographs_star`.

    Raises
    ------
    FormatError
        If the file is no STAR file or lists no coordinate files.
    """
    path = Path(path)
    blocks = read_star_blocks(path)
    block = find_block(blocks, "rlnMicrographName", "rlnMicrographCoordinates") or blocks[0]
    locate = _Locator(path)
    files = [locate(name) for name in block.texts("rlnMicrographCoordinates")]
    return list(zip(block.texts("rlnMicrographName"), files, strict=True))


def _optics_groups(block: StarBlock, optics: StarBlock | None, count: int) -> Sequence[str | None]:
    if optics is None or optics is block or "rlnOpticsGroup" not in block:
        return [None] * count
    names = dict(zip(optics.texts("rlnOpticsGroup"), optics.texts("rlnOpticsGroupName"), strict=True))
    return [names.get(number, number) for number in block.texts("rlnOpticsGroup")]


def _pixel_sizes(block: StarBlock, optics: StarBlock | None, count: int) -> NDArray[np.float64]:
    """Give Å per pixel: the row's, else its optics group's, else detector pixel (µm) over magnification.

    The magnification of extracted particles tells the pixels of their images, which may have been reduced.
    """
    if "rlnMicrographPixelSize" in block:
        return block.floats("rlnMicrographPixelSize")
    if optics is not None and "rlnMicrographPixelSize" in optics and "rlnOpticsGroup" in block:
        numbers = optics.texts("rlnOpticsGroup")
        by_group = dict(zip(numbers, optics.floats("rlnMicrographPixelSize").tolist(), strict=True))
        return np.array([by_group.get(number, np.nan) for number in block.texts("rlnOpticsGroup")])
    if "rlnDetectorPixelSize" in block and "rlnMagnification" in block and "rlnImageName" not in block:
        magnification = block.floats("rlnMagnification")
        detector = block.floats("rlnDetectorPixelSize") * _MICROMETRES_TO_ANGSTROM
        return detector / np.where(magnification > 0, magnification, np.nan)
    return np.full(count, np.nan)


class _Locator:
    """Find files by the names in a STAR file; the folder that held the last one is tried first."""

    def __init__(self, star: Path) -> None:
        self.bases = [Path(), *star.absolute().parents]

    def __call__(self, name: str) -> Path:
        if Path(name).is_absolute():
            return Path(name)
        for base in self.bases:
            if (base / name).exists():
                self.bases = [base, *(other for other in self.bases if other != base)]
                return base / name
        return Path(name)

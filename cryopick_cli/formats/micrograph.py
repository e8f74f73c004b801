"""Micrographs on disk: MRC, TIFF, PNG and JPEG to one float32 array [y, x] with its pixel size, and MRC back.

Row 0 is the first row stored in the file, whatever the format; nothing is flipped. Movies and volumes are
refused. Which files to read is found in :mod:`cryopick_cli.formats.inputs`; grey values are not changed here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from cryopick_cli.errors import FormatError, OutputError
from cryopick_cli.formats import mrc

TIFF_SUFFIXES = (".tif", ".tiff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
# What picking puts after a stem to name its mask of junk, which is no micrograph.
MASK_SUFFIX = "_junk.mrc"
SUFFIXES = (*mrc.SUFFIXES, *TIFF_SUFFIXES, *PICTURE_SUFFIXES)
_MOVIE_SUFFIXES = (".eer",)
# Rec. 601, as in most pictures; a grey picture stored as colour comes out unchanged.
_LUMINANCE = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Micrograph:
    """A micrograph in memory.

    Attributes
    ----------
    array : (h, w) float32
        Grey values as stored, row 0 the first stored row.
    pixel_size : float or None
        Å per pixel from the file's header, None where the file does not say it believably.
    path : Path
        Where it was read.
    """

    array: NDArray[np.float32]
    pixel_size: float | None
    path: Path


@dataclass(frozen=True)
class MicrographHeader:
    """What a file says before its grey values are read: (h, w) and Å per pixel, if known."""

    shape: tuple[int, int]
    pixel_size: float | None
    path: Path


def split_suffix(name: str) -> tuple[str, str]:
    """Split a file's name into stem and suffix, where ``.mrc.gz`` and its like count as one suffix.

    A name with no known suffix is split at its last dot, as RELION does.
    """
    lowered = name.lower()
    for suffix in sorted((*SUFFIXES, *_MOVIE_SUFFIXES), key=len, reverse=True):
        if lowered.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    path = Path(name)
    return (name[: -len(path.suffix)], path.suffix) if path.suffix else (name, "")


def is_micrograph_name(name: str) -> bool:
    """Tell whether a file's name ends in a suffix that can be read as a micrograph."""
    return name.lower().endswith(SUFFIXES)


def read_micrograph(path: str | Path) -> Micrograph:
    """Read one micrograph.

    Parameters
    ----------
    path : str or Path
        MRC (modes 0, 1, 2, 6, 12; either byte order; plain, gzip or bzip2), TIFF, PNG or JPEG.

    Raises
    ------
    FormatError
        If the file is missing, damaged, not what its suffix says, a movie or a volume.
    """
    path = Path(path)
    suffix = _checked_suffix(path)
    if suffix in mrc.SUFFIXES:
        array, header = mrc.read_section(path)
        return Micrograph(array, header.pixel_size, path)
    array = _read_tiff(path) if suffix in TIFF_SUFFIXES else _read_picture(path)
    return Micrograph(array, None, path)


def read_micrograph_header(path: str | Path) -> MicrographHeader:
    """Read shape and pixel size without the grey values; raises as :func:`read_micrograph`."""
    path = Path(path)
    suffix = _checked_suffix(path)
    if suffix in mrc.SUFFIXES:
        header = mrc.read_header(path)
        return MicrographHeader((header.rows, header.columns), header.pixel_size, path)
    if suffix in TIFF_SUFFIXES:
        return MicrographHeader(_tiff_shape(path), None, path)
    with _opened_picture(path) as picture:
        return MicrographHeader((picture.height, picture.width), None, path)


def write_micrograph(
    path: str | Path,
    array: NDArray[Any],
    pixel_size: float | None = None,
    dtype: DTypeLike = np.float32,
    *,
    overwrite: bool = False,
) -> None:
    """Write a micrograph as MRC: float32, float16 (mode 12) or int8 (rounded).

    Parameters
    ----------
    path : str or Path
        Ending in ``.mrc``.
    array : (h, w)
        Grey values, row 0 stored first.
    pixel_size : float, optional
        Å per pixel; 0 is stored where it is unknown.
    dtype : numpy dtype
        float32, float16 or int8.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    OutputError
        If the values do not fit the type, the array is not 2D, or the file cannot be written.
    """
    path = Path(path)
    if array.ndim != 2 or array.size == 0:
        raise OutputError(f"{path}: found an array of shape {array.shape}, expected 2D and not empty")
    if path.suffix.lower() != ".mrc":
        raise OutputError(
            f"{path}: found suffix {path.suffix!r}, expected .mrc; micrographs are written as MRC"
        )
    mrc.write_section(path, array, pixel_size, dtype, overwrite=overwrite)


def _checked_suffix(path: Path) -> str:
    suffix = split_suffix(path.name)[1].lower()
    if suffix in _MOVIE_SUFFIXES:
        raise FormatError(f"{path}: is a movie ({suffix}); align and sum its frames first")
    if suffix not in SUFFIXES:
        raise FormatError(
            f"{path}: found suffix {suffix!r}, expected one of {', '.join(SUFFIXES)}; convert or rename it"
        )
    if not path.is_file():
        raise FormatError(
            f"{path}: {'is no file' if path.exists() else 'is missing'}; check the name and the folder"
        )
    return suffix


@contextmanager
def _tiff_page(path: Path) -> Iterator[tifffile.TiffPage]:
    try:
        with tifffile.TiffFile(path) as file:
            if len(file.pages) > 1:
                raise FormatError(
                    f"{path}: is a movie (found {len(file.pages)} pages, expected 1); "
                    "align and sum its frames first"
                )
            yield file.pages[0]
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, struct.error, zlib.error) as error:
        raise FormatError(
            f"{path}: cannot be read as TIFF ({error}); copy it again, or convert it to MRC"
        ) from error


def _read_tiff(path: Path) -> NDArray[np.float32]:
    with _tiff_page(path) as page:
        # tifffile needs a further package for LZW and its like; Pillow carries the decoders.
        has_decoder = page.compression in tifffile.TIFF.DECOMPRESSORS
        array = page.asarray() if has_decoder else None
    return _grey(path, array) if array is not None else _read_picture(path)


def _tiff_shape(path: Path) -> tuple[int, int]:
    with _tiff_page(path) as page:
        return int(page.imagelength), int(page.imagewidth)


@contextmanager
def _opened_picture(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as picture:
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(
            f"{path}: cannot be read as a picture ({error}); copy it again, or convert it to MRC"
        ) from error


def _read_picture(path: Path) -> NDArray[np.float32]:
    with _opened_picture(path) as picture:
        direct = picture.mode in ("L", "F", "I", "I;16", "I;16L", "I;16B")
        array = np.asarray(picture if direct else picture.convert("RGB"))
    return _grey(path, array)


def _grey(path: Path, array: NDArray[Any]) -> NDArray[np.float32]:
    """Make (h, w) float32 of grey or colour values; transparency is left out."""
    if array.ndim == 3 and array.shape[2] in (3, 4):
        return np.asarray(array[..., :3] @ _LUMINANCE, dtype=np.float32)
    if array.ndim != 2 or array.size == 0:
        raise FormatError(
            f"{path}: found values of shape {array.shape}, expected one grey picture; convert it first"
        )
    return array.astype(np.float32)

"""One 2D section of an MRC file: header, values, pixel size. Row 0 is the first stored row, y down the rows.

Written after the MRC2014 description (Cheng et al. 2015, J. Struct. Biol. 192, 146) and what EMAN, IMOD,
MotionCor2, RELION and cryoSPARC write in its name. The header's fields come from :mod:`mrcfile`; reading is
done here because a picker meets files that break the letter of the format, in many threads, and must say what
it did in its log. Which files are micrographs at all is decided in :mod:`cryopick_cli.formats.micrograph`.
"""

from __future__ import annotations

import bz2
import gzip
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import mrcfile
import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import DTypeLike, NDArray

from cryopick_cli.errors import FormatError, OutputError
from cryopick_cli.formats.atomic import atomic_path

logger = logging.getLogger(__name__)

SUFFIXES = (".mrc", ".mrcs", ".mrc.gz", ".mrc.bz2", ".mrcs.gz", ".mrcs.bz2")
WRITABLE_DTYPES = ("float32", "float16", "int8")

HEADER_BYTES = 1024
_MODES: dict[int, str] = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED_MODES = {
    3: "complex 16-bit",
    4: "complex 32-bit (a Fourier transform)",
    101: "4-bit (a packed movie)",
}
_IMOD_STAMP = 1146047817
_LARGEST_EDGE = 1 << 20
# Outside these, in Å, no electron microscope makes micrographs for single-particle work.
_BELIEVABLE_PIXEL_SIZE = (0.05, 50.0)


@dataclass(frozen=True, kw_only=True)
class MrcHeader:
    """What is needed of an MRC header.

    Attributes
    ----------
    rows, columns : int
        Stored size.
    dtype : numpy dtype
        Of the stored values, byte order included.
    data_offset : int
        Bytes before the first value.
    pixel_size : float or None
        Å per pixel, or None where the header does not say it believably.
    """

    rows: int
    columns: int
    dtype: np.dtype[Any]
    data_offset: int
    pixel_size: float | None


def read_header(path: Path) -> MrcHeader:
    """Read the header of an MRC file, compressed or not.

    Raises
    ------
    FormatError
        If the file is empty, truncated, something else under an MRC name, a movie, a volume, or of a mode
        that is no micrograph's.
    """
    with _opened(path) as stream:
        return _parse_header(path, _read_bytes(path, stream, HEADER_BYTES))


def read_section(path: Path) -> tuple[NDArray[np.float32], MrcHeader]:
    """Read the one section of an MRC file.

    Returns
    -------
    (rows, columns) float32, MrcHeader
        Values as stored, unscaled.

    Raises
    ------
    FormatError
        As :func:`read_header`, or if values are missing at the end.
    """
    with _opened(path) as stream:
        header = _parse_header(path, _read_bytes(path, stream, HEADER_BYTES))
        _read_bytes(path, stream, header.data_offset - HEADER_BYTES)
        wanted = header.rows * header.columns * header.dtype.itemsize
        values = _read_bytes(path, stream, wanted)
    if len(values) < wanted:
        raise FormatError(
            f"{path}: truncated (found {len(values)} bytes of values, expected {wanted} for "
            f"{header.columns} x {header.rows} {header.dtype.name}); copy or download it again"
        )
    stored = np.frombuffer(values, dtype=header.dtype).reshape(header.rows, header.columns)
    return stored.astype(np.float32), header


def write_section(
    path: Path,
    array: NDArray[Any],
    pixel_size: float | None,
    dtype: DTypeLike,
    *,
    overwrite: bool,
) -> None:
    """Write one section (``array`` [y, x]) as an MRC2014 file; integers are rounded, never wrapped around.

    Raises
    ------
    OutputError
        If the type is not one of ``WRITABLE_DTYPES``, a value does not fit it, or the file is there already.
    """
    wanted = np.dtype(dtype)
    if wanted.name not in WRITABLE_DTYPES:
        raise OutputError(f"{path}: found dtype {wanted.name}, expected one of {', '.join(WRITABLE_DTYPES)}")
    rounded = np.rint(array) if wanted.kind == "i" else np.asarray(array)
    limits = np.iinfo(wanted) if wanted.kind == "i" else np.finfo(wanted)
    finite = rounded[np.isfinite(rounded)] if rounded.dtype.kind == "f" else rounded
    if finite.size and (finite.min() < limits.min or finite.max() > limits.max):
        raise OutputError(
            f"{path}: values do not fit {wanted.name} (found {finite.min():g} to {finite.max():g}, expected "
            f"{float(limits.min):g} to {float(limits.max):g}); scale them first or write float32"
        )
    with atomic_path(path, overwrite=overwrite) as temporary, mrcfile.new(temporary) as file:
        file.set_data(np.ascontiguousarray(rounded, dtype=wanted))
        file.voxel_size = pixel_size if pixel_size is not None else 0.0


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.name.lower().endswith(".gz"):
            return cast("IO[bytes]", gzip.open(path, "rb"))
        if path.name.lower().endswith(".bz2"):
            return cast("IO[bytes]", bz2.open(path, "rb"))
        return path.open("rb")
    except OSError as error:
        raise FormatError(
            f"{path}: cannot be opened ({error.strerror or error}); check its name and rights"
        ) from error


def _read_bytes(path: Path, stream: IO[bytes], count: int) -> bytes:
    try:
        return stream.read(count)
    except (EOFError, zlib.error) as error:
        raise FormatError(
            f"{path}: the compressed file ends early ({error}); copy or download it again"
        ) from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error}); is it what its suffix says?") from error


def _parse_header(path: Path, raw: bytes) -> MrcHeader:
    if not raw:
        raise FormatError(
            f"{path}: is empty (found 0 bytes, expected an MRC file); copy or download it again"
        )
    if _looks_like_text(raw):
        raise FormatError(
            f"{path}: is no MRC file (found text starting {raw[:40]!r}, "
            f"expected a {HEADER_BYTES}-byte header); "
            "a download that failed often leaves such a page: fetch the file again"
        )
    if len(raw) < HEADER_BYTES:
        raise FormatError(
            f"{path}: truncated (found {len(raw)} bytes, expected a header of {HEADER_BYTES}); "
            "copy or download it again"
        )
    header, order = _in_its_byte_order(path, raw)
    stamped = bytes(header["map"])[:3] == b"MAP"
    if not stamped:
        logger.warning("%s: the header lacks the MAP stamp; read as MRC all the same", path)
    _refuse_many_sections(path, header, space_group=int(header["ispg"]) if stamped else 0)
    return MrcHeader(
        rows=int(header["ny"]),
        columns=int(header["nx"]),
        dtype=_stored_dtype(header, order),
        data_offset=HEADER_BYTES + max(0, int(header["nsymbt"])),
        pixel_size=_believable_pixel_size(path, header),
    )


def _refuse_many_sections(path: Path, header: Any, *, space_group: int) -> None:
    """Refuse a volume (space group 1 or 401, or a cube) and a movie (all else) by that word."""
    columns, rows, sections = (int(header[field]) for field in ("nx", "ny", "nz"))
    if sections == 1:
        return
    is_stack = path.name.lower().removesuffix(".gz").removesuffix(".bz2").endswith(".mrcs")
    found = f"found {sections} sections of {columns} x {rows}, expected 1"
    if not is_stack and (space_group in (1, 401) or columns == rows == sections):
        raise FormatError(f"{path}: is a volume ({found}); give 2D micrographs")
    raise FormatError(
        f"{path}: is a movie or another stack of images ({found}); "
        "align and sum its frames first (MotionCor, RELION or Patch Motion)"
    )


def _looks_like_text(raw: bytes) -> bool:
    """Tell a page of text from a header, whose first number (columns, below 2**20) always has a zero byte."""
    head = raw[:16].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith((b"<", b"{", b"data_", b"#")) and b"\0" not in raw[:16]


def _in_its_byte_order(path: Path, raw: bytes) -> tuple[Any, str]:
    """Find the byte order in which size and mode make sense; the machine stamp is too often wrong."""
    refused = ""
    for order in "<>":
        header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder(order), count=1)[0]
        mode = int(header["mode"])
        if not all(1 <= int(header[field]) <= _LARGEST_EDGE for field in ("nx", "ny", "nz")):
            continue
        if mode in _MODES:
            return header, order
        refused = refused or f"mode {mode}, {_REFUSED_MODES.get(mode, 'unknown')}"
    if refused:
        raise FormatError(
            f"{path}: values of a kind that no micrograph has (found {refused}, expected mode "
            f"{', '.join(map(str, _MODES))}); convert it first"
        )
    sizes = np.frombuffer(raw, dtype="<i4", count=4).tolist()
    raise FormatError(
        f"{path}: is no MRC file (found columns, rows, sections, mode = {sizes}, expected positive sizes); "
        "check what wrote it"
    )


def _stored_dtype(header: Any, order: str) -> np.dtype[Any]:
    """Give the values' type; IMOD and old files store mode 0 unsigned and say so in a stamp of their own."""
    mode = int(header["mode"])
    if mode == 0:
        extra = bytes(header["extra2"])
        # IMOD's stamp and flags are bytes 152 to 159 of the header; mrcfile's extra2 starts at byte 112.
        stamp, flags = np.frombuffer(
            extra[40:48], dtype=np.dtype("i4").newbyteorder(cast("Any", order))
        ).tolist()
        if stamp == _IMOD_STAMP and not flags & 1:
            return np.dtype("u1")
    return np.dtype(_MODES[mode]).newbyteorder(cast("Any", order))


def _believable_pixel_size(path: Path, header: Any) -> float | None:
    """Give Å per pixel, or None.

    0 means unknown. So does exactly 1 Å: it is what many programs write when they have not been told, and the
    few micrographs that truly have it are served by ``--pixel-size 1``. Pixels that are not square, or are
    outside 0.05 to 50 Å, are not believed either.
    """
    if int(header["mx"]) <= 0 or int(header["my"]) <= 0:
        return None
    along_x = float(header["cella"]["x"]) / int(header["mx"])
    along_y = float(header["cella"]["y"]) / int(header["my"])
    low, high = _BELIEVABLE_PIXEL_SIZE
    if not (low <= along_x <= high) or abs(along_x - along_y) > 0.01 * along_x:
        if along_x or along_y:
            logger.warning(
                "%s: pixel size %g x %g Å in the header is not believed; give --pixel-size",
                path,
                along_x,
                along_y,
            )
        return None
    if abs(along_x - 1.0) < 1e-6:
        logger.info("%s: exactly 1 Å in the header, taken as unknown; give --pixel-size 1 if it is so", path)
        return None
    return along_x

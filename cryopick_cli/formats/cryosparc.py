"""cryoSPARC's datasets (``.cs``): exposures in; picks in and out, as centres in fractions of the micrograph.

A ``.cs`` file is a numpy structured array; it is never unpickled. ``center_x_frac`` is x / columns and
``center_y_frac`` is y / rows counted from the first stored row, as the examples of cryosparc-tools write it.
Programs disagree about y: where the picks appear upside down in cryoSPARC, ``cs_flip_y`` counts it from the
last row, (rows - y) / rows, as pyem does. "Exposure" is cryoSPARC's word for a micrograph.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.errors import FormatError, InputError, OutputError
from cryopick_cli.formats.atomic import atomic_path
from cryopick_cli.formats.coordinates import (
    MICROGRAPH,
    MicrographInfo,
    WriteOptions,
    accepted_only,
    empty_coordinates,
    make_coordinates,
    score_or_merit,
)
from cryopick_cli.formats.cryosparc_group import SUFFIX, find_dataset, write_group

_NUMPY_MAGIC = b"\x93NUMPY"
_COMPACT_MAGIC = b"CSDAT"
_UID_PREFIX = re.compile(r"^(\d{15,21})_")
_PICKED: tuple[tuple[Any, ...], ...] = (
    ("uid", "<u8"),
    ("location/micrograph_uid", "<u8"),
    ("location/exp_group_id", "<u4"),
    ("location/micrograph_path", "S"),
    ("location/micrograph_shape", "<u4", (2,)),
    ("location/micrograph_psize_A", "<f4"),
    ("location/center_x_frac", "<f4"),
    ("location/center_y_frac", "<f4"),
    ("location/min_dist_A", "<f4"),
    ("pick_stats/ncc_score", "<f4"),
    ("pick_stats/power", "<f4"),
    ("pick_stats/template_idx", "<u4"),
    ("pick_stats/angle_rad", "<f4"),
)


@dataclass(frozen=True)
class Exposure:
    """A row of an exposures dataset: the path as stored, the file it leads to, and what picks must repeat."""

    name: str
    path: Path
    shape: tuple[int, int] | None
    pixel_size: float | None
    uid: int
    group: int


def read_exposures(path: str | Path) -> list[Exposure]:
    """Read the micrographs of an exposures dataset, or of its group; paths are below the project's folder.

    The project's folder is sought among those above the dataset; a micrograph that is in none of them keeps
    its path as stored.

    Raises
    ------
    FormatError
        If the file is no dataset.
    InputError
        If it lists no micrographs (movies, particles, or a passthrough file without ``micrograph_blob``).
    """
    path = find_dataset(Path(path), "micrograph_blob")
    rows = _read_dataset(path)
    field = "micrograph_blob/path"
    if field not in _fields(rows):
        has_movies = "movie_blob/path" in _fields(rows)
        what = "lists movies" if has_movies else "lists no micrographs"
        raise InputError(
            f"{path}: {what} (no field {field}); give the exposures of a motion correction or import job"
        )
    if len(rows) == 0:
        raise InputError(f"{path}: lists no micrographs (found 0 rows)")
    names = [_text(value).lstrip(">") for value in rows[field]]
    sizes = _column(rows, "micrograph_blob/psize_A", np.nan)
    groups = _column(rows, "mscope_params/exp_group_id", 0)
    shapes = rows["micrograph_blob/shape"].tolist() if "micrograph_blob/shape" in _fields(rows) else None
    return [
        Exposure(
            name=name,
            path=_below_project(path, name),
            shape=(int(shapes[row][0]), int(shapes[row][1])) if shapes is not None else None,
            pixel_size=float(sizes[row]) if np.isfinite(sizes[row]) and sizes[row] > 0 else None,
            uid=int(rows["uid"][row]),
            group=int(groups[row]),
        )
        for row, name in enumerate(names)
    ]


def read_cs(path: str | Path, *, flip_y: bool = False) -> pd.DataFrame:
    """Read the particle locations of a dataset, or of its group; ``micrograph`` is the path as stored.

    Raises
    ------
    FormatError
        If the file is no dataset or has no locations with their micrographs' shapes.
    """
    path = find_dataset(Path(path), "location")
    rows = _read_dataset(path)
    needed = [
        f"location/{name}"
        for name in ("center_x_frac", "center_y_frac", "micrograph_shape", "micrograph_path")
    ]
    absent = [name for name in needed if name not in _fields(rows)]
    if absent:
        raise FormatError(
            f"{path}: no field {' and '.join(absent)}; "
            "give a dataset with locations (particles, or its passthrough)"
        )
    if len(rows) == 0:
        return empty_coordinates(with_micrograph=True)
    x_fraction, y_fraction, shape, names = (rows[name] for name in needed)
    height = shape[:, 0].astype(np.float64)
    y = y_fraction.astype(np.float64) * height
    return make_coordinates(
        x_fraction.astype(np.float64) * shape[:, 1].astype(np.float64),
        height - y if flip_y else y,
        micrograph=[_text(name) for name in names],
        figure_of_merit=_column(rows, "pick_stats/ncc_score", np.nan),
    )


def write_cs(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write the accepted picks of all micrographs with ``location/*`` and ``pick_stats/*``.

    The exposure's uid is taken from ``options.micrographs``, else from the prefix that cryoSPARC puts before
    file names, else made from the name. The same picks always give the same dataset. The group file beside
    it, of the same name, is what *Import Result Group* takes.

    Raises
    ------
    OutputError
        If a micrograph's shape is not in ``options.micrographs``.
    """
    path = Path(path)
    kept = accepted_only(table)
    names = [str(name) for name in kept[MICROGRAPH]]
    unknown = [name for name in names if options.micrographs.get(name, MicrographInfo()).shape is None]
    if unknown:
        raise OutputError(
            f"{path}: the shape of {unknown[0]} is unknown; cryoSPARC needs it; give --micrographs or --size"
        )
    infos = [options.micrographs[name] for name in names]
    shape = np.array([info.shape for info in infos], dtype=np.uint32).reshape(len(names), 2)
    y = kept["y"].to_numpy()
    rows = np.zeros(len(names), dtype=_dtype(names))
    rows["location/micrograph_uid"] = [
        exposure_uid(name, info) for name, info in zip(names, infos, strict=True)
    ]
    rows["location/exp_group_id"] = [info.exposure_group or 0 for info in infos]
    rows["location/micrograph_path"] = [name.encode() for name in names]
    rows["location/micrograph_shape"] = shape
    rows["location/micrograph_psize_A"] = [info.pixel_size or 0.0 for info in infos]
    rows["location/center_x_frac"] = kept["x"].to_numpy() / shape[:, 1]
    rows["location/center_y_frac"] = (shape[:, 0] - y if options.cs_flip_y else y) / shape[:, 0]
    rows["pick_stats/ncc_score"] = np.nan_to_num(score_or_merit(kept))
    rows["uid"] = _particle_uids(rows)
    with atomic_path(path, overwrite=options.overwrite) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    write_group(path.with_suffix(SUFFIX), path.name, len(rows), overwrite=options.overwrite)


def exposure_uid(name: str, info: MicrographInfo) -> int:
    """Give the identifier that links picks to a micrograph: cryoSPARC's own where it is known."""
    if info.uid is not None:
        return info.uid
    prefix = _UID_PREFIX.match(Path(name).name)
    if prefix is not None and int(prefix.group(1)) < 1 << 64:
        return int(prefix.group(1))
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "little")


def without_uid(file_name: str) -> str:
    """Cut the number that cryoSPARC puts before file names (15 to 21 digits and a line below)."""
    return _UID_PREFIX.sub("", file_name)


def _particle_uids(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Make distinct 64-bit identifiers from the picks themselves."""
    seed = int.from_bytes(hashlib.sha256(rows.tobytes()).digest()[:16], "little")
    generator = np.random.default_rng(seed)
    uids = generator.integers(1, np.iinfo(np.uint64).max, size=len(rows), dtype=np.uint64)
    while len(np.unique(uids)) < len(uids):
        uids = generator.integers(1, np.iinfo(np.uint64).max, size=len(rows), dtype=np.uint64)
    return uids


def _dtype(names: list[str]) -> np.dtype[Any]:
    longest = max((len(name.encode()) for name in names), default=1)
    return np.dtype([(one[0], f"S{longest}", *one[2:]) if one[1] == "S" else one for one in _PICKED])


def _read_dataset(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            start = file.read(len(_NUMPY_MAGIC))
            file.seek(0)
            rows = np.load(file, allow_pickle=False) if start == _NUMPY_MAGIC else _read_compact(path, start)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(
            f"{path}: cannot be read as a cryoSPARC dataset ({error}); export it again"
        ) from error
    if rows.dtype.names is None:
        raise FormatError(f"{path}: found an array without fields, expected a cryoSPARC dataset")
    return rows


def _read_compact(path: Path, start: bytes) -> NDArray[Any]:
    """Read the compact form that only cryosparc-tools knows."""
    if _COMPACT_MAGIC not in start:
        raise FormatError(f"{path}: is no cryoSPARC dataset (it starts {start!r}); check what wrote it")
    try:
        from cryosparc.dataset import Dataset
    except ImportError as error:
        raise FormatError(
            f"{path}: is a dataset in cryoSPARC's compact form; pip install 'cryopick[cryosparc]' to read it"
        ) from error
    rows: NDArray[Any] = Dataset.load(str(path)).to_records(fixed=True)
    return rows


def _fields(rows: NDArray[Any]) -> tuple[str, ...]:
    return rows.dtype.names or ()


def _column(rows: NDArray[Any], name: str, missing: float) -> NDArray[np.float64]:
    if name in _fields(rows):
        return np.asarray(rows[name], dtype=np.float64)
    return np.full(len(rows), missing)


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else str(value)


def _below_project(dataset: Path, name: str) -> Path:
    if Path(name).is_absolute():
        return Path(name)
    bases = dataset.absolute().parents
    return next((base / name for base in bases if (base / name).exists()), Path(name))

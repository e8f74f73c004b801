"""Micrographs with reference coordinates -> crops of random position and random size, resized to one size.

Item ``i`` depends on the seed, on ``i`` and on the micrographs listed alone, so a resumed run sees what an
uninterrupted one would have seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cryopick_cli.errors import InputError
from cryopick_cli.evaluation.folders import pair_names
from cryopick_cli.formats.collection import read_collection
from cryopick_cli.formats.cryosparc import without_uid
from cryopick_cli.formats.inputs import MicrographSource, find_micrographs
from cryopick_cli.formats.micrograph import read_micrograph, read_micrograph_header, split_suffix
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.imaging.normalise import fill_non_finite
from cryopick_cli.imaging.resample import resample
from cryopick_cli.model.anchors import MatchConfig
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.losses import Matched, Targets, match_views
from cryopick_cli.training.augment import augment, make_decoy
from cryopick_cli.training.config import CropConfig, SourceConfig, TrainConfig
from cryopick_cli.units import Length

logger = logging.getLogger(__name__)

_COORDINATE_SUFFIXES = (".csv", ".star", "_autopick.star", ".box", ".cbox", ".tsv")
_Reference = NDArray[np.float64]
_Find = Callable[[MicrographSource], _Reference | None]


@dataclass(frozen=True)
class LabelledMicrograph:
    """A micrograph file and its reference: x, y, diameter in px of the file, and places to ignore."""

    path: Path
    reference: NDArray[np.float64]
    """(n, 4): x, y, diameter_px, ignore (0 or 1)."""
    light: bool = False

    @property
    def diameter(self) -> float | None:
        """Median diameter of the particles to learn, px; None where there are none."""
        learnt = self.reference[self.reference[:, 3] == 0]
        return float(np.median(learnt[:, 2])) if len(learnt) else None


@dataclass(frozen=True)
class Crop:
    """A square of a micrograph: its upper left corner (edge coordinates) and side, in px of the file."""

    left: float
    top: float
    side: float

    @property
    def region(self) -> tuple[float, float, float, float]:
        """Edges as :func:`cryopick_cli.imaging.resample.resample` takes them."""
        return self.left, self.top, self.left + self.side, self.top + self.side


class Crops(Dataset[tuple[Tensor, Targets]]):
    """An endless row of training crops, drawn from several sources by their shares."""

    def __init__(self, sources: Sequence[Sequence[LabelledMicrograph]], config: TrainConfig) -> None:
        self._sources = sources
        self._config = config
        shares = np.array(config.shares)
        self._shares = shares / shares.sum()

    def __getitem__(self, index: int) -> tuple[Tensor, Targets]:
        """Draw crop ``index``: a (1, size, size) float32 view and its targets in working px."""
        rng = np.random.default_rng([self._config.seed, index])
        source = self._sources[rng.choice(len(self._sources), p=self._shares)]
        labelled = source[int(rng.integers(len(source)))]
        return draw_example(labelled, self._config, rng)


def draw_example(labelled: LabelledMicrograph, config: TrainConfig, rng: Generator) -> tuple[Tensor, Targets]:
    """Cut one random crop, resize it, change its grey values, turn it, and give it with its targets."""
    array = fill_non_finite(read_micrograph(labelled.path).array)
    crop = draw_crop(array.shape, labelled, config, rng)
    size = config.crop.size_px
    view = resample(array, (size, size), crop.region)
    reference = to_crop(labelled.reference, crop, size)
    diameter = (labelled.diameter or crop.side / 8) * size / crop.side
    view = -view if labelled.light else view
    decoy = make_decoy(view, config.augment, rng)
    if decoy is not None:
        view, reference = decoy, reference[:0]
    view = augment(view, diameter, config.augment, rng, config.network.normalise.clip)
    view, reference = turn(view, reference, int(rng.integers(8)))
    return torch.from_numpy(np.ascontiguousarray(view))[None], split_targets(reference, size, config)


def draw_crop(
    shape: tuple[int, ...], labelled: LabelledMicrograph, config: TrainConfig, rng: Generator
) -> Crop:
    """Draw a crop so that the particle's diameter in it, once resized, follows the recipe.

    Half of the diameters lie near the one that picking works at, the rest is log-uniform over what the
    network covers; without particles the side itself is log-uniform.
    """
    crop, network = config.crop, config.network
    largest = float(min(shape))
    smallest = min(float(crop.smallest_side_px), largest)
    if labelled.diameter is None:
        side = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    else:
        side = crop.size_px * labelled.diameter / _draw_diameter(crop, network, rng)
    side = float(np.clip(side, smallest, largest))
    free = np.array([shape[1] - side, shape[0] - side])
    corner = rng.uniform(0, 1, 2) * free
    learnt = labelled.reference[labelled.reference[:, 3] == 0]
    if len(learnt) and rng.random() < crop.focus_share:
        about = learnt[rng.integers(len(learnt)), :2] + 0.5
        corner = np.clip(about - side * rng.uniform(0.15, 0.85, 2), 0, free)
    return Crop(float(corner[0]), float(corner[1]), side)


def to_crop(reference: NDArray[np.float64], crop: Crop, size: int) -> NDArray[np.float64]:
    """Move reference coordinates (n, 4) from the micrograph's px to the px of the resized crop."""
    factor = crop.side / size
    moved = reference.copy()
    moved[:, :2] = (reference[:, :2] + 0.5 - [crop.left, crop.top]) / factor - 0.5
    moved[:, 2] = reference[:, 2] / factor
    return moved


def turn(
    view: NDArray[np.float32], reference: NDArray[np.float64], symmetry: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Apply one of the eight symmetries of the square to a square view and to its coordinates."""
    last = view.shape[0] - 1
    moved = reference.copy()
    if symmetry & 1:
        view = view[:, ::-1]
        moved[:, 0] = last - moved[:, 0]
    if symmetry & 2:
        view = view[::-1]
        moved[:, 1] = last - moved[:, 1]
    if symmetry & 4:
        view = view.T
        moved[:, [0, 1]] = moved[:, [1, 0]]
    return view, moved


def split_targets(reference: NDArray[np.float64], size: int, config: TrainConfig) -> Targets:
    """Part particles to learn from places to ignore: marked, cut by the edge, or of a size not covered."""
    x, y, diameter, ignore = reference.T
    inside_by = np.minimum.reduce([x, y, size - 1 - x, size - 1 - y])
    seen = inside_by > -diameter / 2
    covered = (diameter >= config.network.smallest_diameter_px) & (
        diameter <= config.network.largest_diameter_px
    )
    learnt = seen & (ignore == 0) & covered & (inside_by >= config.crop.edge_share * diameter)
    rows = torch.from_numpy(reference[:, :3].astype(np.float32))
    return Targets(rows[torch.from_numpy(learnt)], rows[torch.from_numpy(seen & ~learnt)])


def collate(
    batch: Sequence[tuple[Tensor, Targets]], anchors: Tensor, config: MatchConfig
) -> tuple[Tensor, Matched]:
    """Stack views (n, 1, h, w) and match their particles to the anchors, both in the loader's processes."""
    return torch.stack([view for view, _ in batch]), match_views(anchors, [t for _, t in batch], config)


def find_labelled(source: SourceConfig, data: Path) -> list[LabelledMicrograph]:
    """List a source's micrographs with their reference.

    The coordinates are a folder with a file a micrograph, of the same stem, or one file that names the
    micrographs, such as RELION's particles. A micrograph without coordinates counts as holding no particle
    only where the source names none. Listed micrographs whose file is missing are left out with a warning.

    Raises
    ------
    InputError
        If the source has no micrograph, or no micrograph with coordinates.
    """
    micrographs = [
        one for one in find_micrographs([str(data / source.micrographs)]) if _wanted(one.path.name, source)
    ]
    there = [one for one in micrographs if one.path.exists()]
    if len(there) < len(micrographs):
        first = next(one.path for one in micrographs if one not in there)
        logger.warning(
            "%d of %d micrographs are missing and left out (first: %s)",
            len(micrographs) - len(there),
            len(micrographs),
            first,
        )
    find = _finder(source.coordinates, there, data)
    find_ignored = _finder(source.ignore, there, data)
    labelled = []
    for micrograph in there:
        reference = _read_reference(micrograph, source, find, find_ignored)
        if reference is not None:
            labelled.append(LabelledMicrograph(micrograph.path, reference, source.contrast == "light"))
    if not labelled:
        raise InputError(
            f"source {source.name}: found no micrograph with coordinates under {data / source.micrographs}, "
            f"{_why_none(source, there, data)}"
        )
    return labelled


def read_labelled(micrograph: Path, coordinates: Path) -> LabelledMicrograph:
    """Pair a micrograph with its coordinate file, which holds diameters."""
    return LabelledMicrograph(micrograph, _read_table(coordinates.resolve(), coordinates.stat().st_mtime_ns))


def _draw_diameter(crop: CropConfig, network: NetworkConfig, rng: Generator) -> float:
    if rng.random() < crop.working_share:
        return float(crop.working_diameter_px * np.exp(rng.normal(0, crop.working_spread)))
    return float(
        np.exp(rng.uniform(np.log(network.smallest_diameter_px), np.log(network.largest_diameter_px)))
    )


def _wanted(name: str, source: SourceConfig) -> bool:
    return any(fnmatch(name, p) for p in source.include) and not any(fnmatch(name, p) for p in source.exclude)


def _read_reference(
    micrograph: MicrographSource, source: SourceConfig, find: _Find, find_ignored: _Find
) -> _Reference | None:
    if source.coordinates is None:
        return np.zeros((0, 4))
    learnt = find(micrograph)
    if learnt is None:
        return None
    ignored = find_ignored(micrograph)
    if ignored is not None:
        ignored[:, 3] = 1
        learnt = np.concatenate([learnt, ignored])
    return _with_diameters(learnt, micrograph, source)


def _with_diameters(reference: _Reference, micrograph: MicrographSource, source: SourceConfig) -> _Reference:
    unknown = np.isnan(reference[:, 2])
    if not unknown.any():
        return reference
    if source.diameter is None:
        raise InputError(
            f"{micrograph.path}: {unknown.sum()} of its {len(reference)} coordinates have no diameter, "
            "expected one for each; give the particle diameter with --diameter, or `diameter` in the recipe"
        )
    pixel_size = (
        source.pixel_size or micrograph.pixel_size or read_micrograph_header(micrograph.path).pixel_size
    )
    reference[unknown, 2] = Length.parse(source.diameter).in_px(pixel_size)
    return reference


def _finder(coordinates: Path | None, micrographs: Sequence[MicrographSource], data: Path) -> _Find:
    """Give what finds a micrograph's reference: a file of its stem in a folder, or its rows in one file."""
    if coordinates is None:
        return lambda micrograph: None
    where = data / coordinates
    if not where.is_file():
        return lambda micrograph: _find_table(where, split_suffix(micrograph.path.name)[0])
    tables = _read_tables(where.resolve(), where.stat().st_mtime_ns)
    pairs = pair_names([one.name for one in micrographs], tables)

    def find(micrograph: MicrographSource) -> _Reference | None:
        paired = pairs[micrograph.name]
        return None if paired is None else tables[paired].copy()

    return find


def _why_none(source: SourceConfig, micrographs: Sequence[MicrographSource], data: Path) -> str:
    """Say what was expected where no micrograph has coordinates, and what would help."""
    folder = data / source.coordinates if source.coordinates is not None else data
    numbered = {without_uid(split_suffix(one.path.name)[0]): one.path.name for one in micrographs}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        ending = next((s for s in reversed(_COORDINATE_SUFFIXES) if path.name.endswith(s)), path.suffix)
        bare = without_uid(path.name.removesuffix(ending)).removesuffix("_autopick")
        if bare in numbered:
            return (
                f"expected files of the same stem in the two folders; found {path} for {numbered[bare]}, "
                "which differ by cryoSPARC's number in front: cryopick convert --micrographs gives "
                "coordinates the micrographs' names"
            )
    first = micrographs[0].path.name if micrographs else "none"
    return (
        f"{len(micrographs)} in all (first: {first}), expected files of the same stem in {folder}, or one "
        "file that names these micrographs; check --in and --coordinates, or the recipe's paths and `include`"
    )


def _find_table(folder: Path, stem: str) -> _Reference | None:
    found = next((f for s in _COORDINATE_SUFFIXES if (f := folder / f"{stem}{s}").exists()), None)
    return None if found is None else _read_table(found.resolve(), found.stat().st_mtime_ns).copy()


@cache
def _read_table(path: Path, changed: int) -> _Reference:
    """Read a coordinate file; once for each time at which it was changed."""
    return _as_rows(read_coordinates(path))


@cache
def _read_tables(path: Path, changed: int) -> dict[str, _Reference]:
    """Read a file that names its micrographs; once for each time at which it was changed."""
    return {name: _as_rows(table) for name, table in read_collection([path]).items()}


def _as_rows(table: pd.DataFrame) -> _Reference:
    ignore = table["ignore"] if "ignore" in table else pd.Series(False, index=table.index)
    rows = np.column_stack([table["x"], table["y"], table["diameter_px"], ignore])
    return rows.astype(np.float64).reshape(-1, 4)

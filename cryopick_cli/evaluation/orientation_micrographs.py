"""Do coordinates fit micrographs? Particles stand out from their surroundings; chance places do not.

Each micrograph is reduced, band-passed at about the particle's diameter and replaced by ranks (0 to 1), so
that ice and hot pixels weigh no more than anything else. A frame's evidence is how far the mean rank at its
coordinates lies from that of the same pattern displaced by a few diameters, dark or light alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from cryopick_cli.errors import InputError
from cryopick_cli.evaluation.orientation import (
    Finding,
    Frame,
    OrientationConfig,
    OrientationReport,
    Shape,
    box_size_of,
    conclude,
    frames_to_try,
)
from cryopick_cli.imaging.resample import resample

# Pixels along the longer edge after reduction: a particle of a 64th of it is still 8 px wide.
_WORKING_EDGE = 512
# Diameters to try where none is known, as parts of the longer edge.
_USUAL_DIAMETERS = (1 / 64, 1 / 40, 1 / 25, 1 / 16, 1 / 10)
_SMALLEST_DIAMETER = 4.0
_DISPLACEMENTS = 200
_DISPLACED_BY = (1.5, 6.0)
_LEAST_SPREAD = 1e-6
# Below this share inside the micrographs a frame is out of the question.
_LEAST_INSIDE = 0.95
_OUTLIERS = 4.0


@dataclass(frozen=True)
class _View:
    """A reduced micrograph: ranks and diameter in its px of each band; full shape; factor of reduction."""

    bands: Sequence[tuple[NDArray[np.float32], float]]
    shape: Shape
    factor: float


def choose_micrographs(tables: Mapping[str, pd.DataFrame], config: OrientationConfig) -> list[str]:
    """Name the micrographs to look at: those with most coordinates, none without."""
    with_some = [name for name, table in tables.items() if len(table)]
    return sorted(with_some, key=lambda name: (-len(tables[name]), name))[: config.most_micrographs]


def check_on_micrographs(
    tables: Mapping[str, pd.DataFrame],
    micrographs: Iterable[tuple[str, NDArray[np.float32]]],
    config: OrientationConfig | None = None,
) -> OrientationReport:
    """Try every frame on the micrographs themselves.

    Parameters
    ----------
    tables
        Coordinates by micrograph, px of the micrograph as read.
    micrographs
        Names, as in ``tables``, with arrays (h, w); one is held at a time.
    config
        How to try.

    Raises
    ------
    InputError
        If no micrograph has coordinates.
    """
    config = config or OrientationConfig()
    frames = frames_to_try(box_size_of(*_sizes(tables), config))
    generator = np.random.default_rng(config.seed)
    evidence: list[NDArray[np.float64]] = []
    inside: list[NDArray[np.float64]] = []
    count = 0
    for name, array in micrographs:
        xy = tables[name][["x", "y"]].to_numpy(dtype=np.float64)
        if len(xy) == 0:
            continue
        view = _look(array, _diameter(tables[name], config))
        tried = [_try(frame, xy, view, generator) for frame in frames]
        evidence.append(np.array([one[0] for one in tried]))
        inside.append(np.array([one[1] for one in tried]) * len(xy))
        count += len(xy)
    if not evidence:
        raise InputError("check: no micrograph has coordinates; expected at least one that does")
    share = np.sum(inside, axis=0) / count
    # (frames, diameters): equal signs add up, chance does not.
    pooled = np.abs(np.sum(evidence, axis=0)) / np.sqrt(len(evidence))
    pooled[~_possible(frames, share)] = 0
    best_diameter = int(np.argmax(pooled.max(axis=0)))
    findings = [
        Finding(frame=frame, evidence=float(pooled[row, best_diameter]), share=float(share[row]))
        for row, frame in enumerate(frames)
    ]
    return conclude(findings, config, micrographs=len(evidence), coordinates=count)


def _possible(frames: Sequence[Frame], share: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which frames can be: those that keep coordinates inside; shrunken ones only if some were outside.

    Coordinates in finer pixels would reach beyond the micrograph; if they do not, shrinking them would heap
    them up in one corner, where anything may be.
    """
    possible = share >= _LEAST_INSIDE
    if share[0] >= _LEAST_INSIDE:
        possible &= np.array([frame.scale >= 1 for frame in frames])
    return possible


def _sizes(tables: Mapping[str, pd.DataFrame]) -> tuple[list[float], list[float]]:
    columns: tuple[list[float], list[float]] = ([], [])
    for table in tables.values():
        for values, name in zip(columns, ("box_size_px", "diameter_px"), strict=True):
            if name in table.columns:
                values.extend(table[name].tolist())
    return columns


def _diameter(table: pd.DataFrame, config: OrientationConfig) -> float | None:
    if config.diameter_px is not None:
        return config.diameter_px
    known = table["diameter_px"].dropna() if "diameter_px" in table.columns else table["x"].iloc[:0]
    return float(known.median()) if len(known) else None


def _look(array: NDArray[np.float32], diameter: float | None) -> _View:
    shape = (array.shape[0], array.shape[1])
    edge = max(shape)
    # A scaled table's diameter may be wrong by the same factor, so the usual ones are tried as well.
    diameters = [part * edge for part in _USUAL_DIAMETERS] + ([diameter] if diameter else [edge / 32])
    factor = max(1.0, edge / _WORKING_EDGE)
    reduced = resample(_cleaned(array), (max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor))))
    flat = _without_outliers(reduced)
    widths = [max(_SMALLEST_DIAMETER, one / factor) for one in diameters]
    return _View([(_ranks(_band_pass(flat, width)), width) for width in widths], shape, factor)


def _cleaned(array: NDArray[np.float32]) -> NDArray[np.float32]:
    finite = np.isfinite(array)
    if finite.all():
        return array
    return np.where(finite, array, np.median(array[finite]) if finite.any() else 0).astype(np.float32)


def _without_outliers(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take off the slow background and clip what stands out by more than any particle."""
    flat: NDArray[np.float32] = array - uniform_filter(array, size=max(array.shape) // 8)
    spread = 1.4826 * float(np.median(np.abs(flat - np.median(flat))))
    return flat.clip(-_OUTLIERS * spread, _OUTLIERS * spread) if spread > 0 else flat


def _band_pass(array: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Answer to disks of this diameter: a narrow Gaussian less a wide one (Lindeberg 1998, IJCV 30, 79)."""
    width = diameter / (2 * np.sqrt(2))
    return np.asarray(
        gaussian_filter(array, width / 1.26) - gaussian_filter(array, width * 1.26), dtype=np.float32
    )


def _ranks(array: NDArray[np.float32]) -> NDArray[np.float32]:
    ranks = np.empty(array.size, dtype=np.float32)
    ranks[np.argsort(array, axis=None)] = np.linspace(0, 1, array.size, dtype=np.float32)
    return ranks.reshape(array.shape)


def _try(
    frame: Frame, xy: NDArray[np.float64], view: _View, generator: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Give a frame's evidence at each diameter, signed, and the share of coordinates inside."""
    moved = frame.apply(xy, view.shape)
    rows, columns = view.shape
    within = (moved >= -0.5).all(axis=1) & (moved[:, 0] < columns - 0.5) & (moved[:, 1] < rows - 0.5)
    share = float(within.mean())
    if share < _LEAST_INSIDE:
        return np.zeros(len(view.bands)), share
    places = np.rint((moved[within] + 0.5) / view.factor - 0.5).astype(np.intp)
    return np.array([_stand_out(places, *band, generator) for band in view.bands]), share


def _stand_out(
    places: NDArray[np.intp], ranks: NDArray[np.float32], diameter: float, generator: np.random.Generator
) -> float:
    """Compare the mean rank at the places with that of the same pattern moved a few diameters, in deviations.

    The pattern stays near, so that a whole region that stands out, such as the support film, is no evidence.
    """
    distance = generator.uniform(*_DISPLACED_BY, _DISPLACEMENTS) * diameter
    angle = generator.uniform(0, 2 * np.pi, _DISPLACEMENTS)
    steps = np.rint(distance * np.array([np.cos(angle), np.sin(angle)])).astype(np.intp)
    steps[:, 0] = 0  # the first is the pattern itself
    height, width = ranks.shape
    x = (places[None, :, 0] + steps[0][:, None]) % width
    y = (places[None, :, 1] + steps[1][:, None]) % height
    means = ranks[y, x].mean(axis=1)
    return float((means[0] - means[1:].mean()) / max(means[1:].std(), _LEAST_SPREAD))

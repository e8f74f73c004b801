"""Where a micrograph shows carbon, gold, an ice ball or a hole in place of ice: a mask from image statistics.

Junk is what differs from the dominant grey level or fine texture of the view over areas larger than a
particle, with a clear border, or is a dark blob larger and darker than particles are. Nothing is learnt,
nothing is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.errors import ConfigError
from cryopick_cli.imaging.normalise import fill_non_finite
from cryopick_cli.imaging.resample import resample, working_shape
from cryopick_cli.imaging.smooth import smooth
from cryopick_cli.units import rescale_coordinate

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SAMPLE = 20_000
# Of a normal distribution 40 % lie within this many standard deviations.
_SIGMAS_OF_40_PERCENT = 0.5244
# Dark blobs of particle size from which their darkness says how dark particles are.
_FEWEST_PARTICLES = 1
# How much darker than particles a blob must be that is no particle.
_DARKER = 1.5
# Diameter up to which a dark patch is one blob, in particle diameters.
_LARGEST_BLOB = 3.0
# Where a patch ends, as a share of its depth: at half of it a blurred edge lies where the sharp one did, but
# areas may be uneven.
_BLOB_DEPTH, _AREA_DEPTH = 0.5, 0.25
# From this difference of its log on, the grain is another one, however much more it differs.
_OTHER_GRAIN = 1.0
# By how much more than the log of the grain that of what is as large as a particle differs in a crowd.
_CROWD = 1.0
_SMALLEST = 1e-12
# Rings of points over a disc: 1 + 6 + 12 + 18 of them stand for equal areas.
_RINGS = 3


@dataclass(frozen=True, kw_only=True)
class JunkConfig:
    """What counts as junk. Sizes in particle diameters; grey levels in spreads of the ice."""

    diameter_px: float = field(
        default=14.0, metadata={"help": "Diameter that particles are to have in the reduced view, px."}
    )
    short_sides_px: tuple[int, int] = field(
        default=(256, 512), metadata={"help": "Least and largest short side of the reduced view, px."}
    )
    level: float = field(
        default=3.0, metadata={"help": "Difference of the broad grey level, in spreads of the fine image."}
    )
    blob: float = field(default=2.5, metadata={"help": "Darkness of a blob, in spreads of the fine image."})
    outlier: float = field(
        default=4.0, metadata={"help": "Either difference, in robust spreads of the level itself."}
    )
    texture: float = field(
        default=0.22, metadata={"help": "Difference of the log of the fine grain's amplitude."}
    )
    smooth: float = field(
        default=5.0, metadata={"help": "Difference of an area's level, in spreads of the fine image there."}
    )
    steepness: float = field(
        default=0.125,
        metadata={
            "help": "Least change over a diameter at an area's border, as a share of the area's difference."
        },
    )
    blob_diameters: float = field(
        default=1.3, metadata={"help": "Smallest diameter of a dark blob, in particle diameters."}
    )
    area_diameters: float = field(
        default=1.6, metadata={"help": "Smallest diameter of an area of other level, in particle diameters."}
    )

    def __post_init__(self) -> None:
        """Refuse settings that would mark particles or nothing."""
        if not 0 < self.short_sides_px[0] <= self.short_sides_px[1] or not self.diameter_px > 0:
            raise ConfigError(
                f"short_sides_px, diameter_px: found {self.short_sides_px} and {self.diameter_px}, expected "
                "two rising numbers and a positive one"
            )
        if not min(self.level, self.blob, self.outlier, self.texture, self.smooth, self.steepness) > 0:
            raise ConfigError("level, blob, outlier, texture, smooth, steepness: expected positive numbers")
        if not min(self.blob_diameters, self.area_diameters) > 1:
            raise ConfigError(
                f"blob_diameters, area_diameters: found {self.blob_diameters} and {self.area_diameters}, "
                "expected more than 1, or particles themselves would count"
            )


@dataclass(frozen=True)
class JunkMask:
    """A mask on a reduced grid, and the size of its cells in pixels of the micrograph."""

    array: Mask
    shape: tuple[int, int]
    """(h, w) of the micrograph."""
    doubted: bool = False
    """Whether what was found here is not believed, so that nothing is marked."""

    def cleared(self) -> JunkMask:
        """Give a mask of the same micrograph that marks nothing, because this one is not believed."""
        return replace(self, array=np.zeros_like(self.array), doubted=True)

    @property
    def area(self) -> float:
        """Share of the micrograph that is masked."""
        return float(self.array.mean())

    def share(self, x: Floats, y: Floats, diameter: Floats) -> Floats:
        """Give the share of each particle's disc that lies on junk, 0 to 1.

        Parameters
        ----------
        x, y, diameter : (n,) float64
            Centres and diameters, px of the micrograph. What lies outside counts as its nearest edge.
        """
        across, down = disc_points()
        radius = diameter[:, None] / 2
        hit = self.array[self._cell_of(x[:, None] + radius * across, y[:, None] + radius * down)]
        return np.asarray(hit.mean(axis=1), dtype=np.float64)

    def near(self, x: Floats, y: Floats, distance: float) -> Mask:
        """Mark the cells within a distance of any of these places, at least one; px of the micrograph."""
        elsewhere = np.ones_like(self.array)
        elsewhere[self._cell_of(x, y)] = False
        return np.asarray(ndimage.distance_transform_edt(elsewhere, sampling=self.cell) <= distance)

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell, px of the micrograph."""
        return self.shape[0] / self.array.shape[0], self.shape[1] / self.array.shape[1]

    def _cell_of(self, x: Floats, y: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give row and column of the cell at each place; what lies outside has the nearest one."""
        indices = [
            np.clip(np.rint(rescale_coordinate(place, size)).astype(np.int64), 0, count - 1)
            for place, size, count in zip((y, x), self.cell, self.array.shape, strict=True)
        ]
        return indices[0], indices[1]

    def full(self) -> Array:
        """Give the mask in the micrograph's shape, 1 on junk and 0 elsewhere, (h, w) float32."""
        rows, columns = self.array.shape
        row = np.arange(self.shape[0]) * rows // self.shape[0]
        column = np.arange(self.shape[1]) * columns // self.shape[1]
        return self.array[np.ix_(row, column)].astype(np.float32)


def disc_points() -> tuple[Floats, Floats]:
    """Give points spread evenly over a disc of radius 1, as (x, y)."""
    radii, angles = [0.0], [0.0]
    for ring in range(1, _RINGS + 1):
        count = 6 * ring
        radii += [ring / (_RINGS + 0.5)] * count
        angles += (2 * np.pi * np.arange(count) / count).tolist()
    return np.array(radii) * np.cos(angles), np.array(radii) * np.sin(angles)


def find_junk(
    array: Array, diameter_px: float, config: JunkConfig | None = None, *, light: bool = False
) -> JunkMask:
    """Find what is not ice in a micrograph.

    Parameters
    ----------
    array : (h, w) float32
        The micrograph as read, any grey scale; values that are not finite count as ice.
    diameter_px : float
        Of the particles, px of the micrograph.
    config : JunkConfig, optional
    light : bool
        Whether particles are lighter than the ice.

    Returns
    -------
    JunkMask
    """
    config = config or JunkConfig()
    height, width = array.shape
    factor = _reduction((height, width), diameter_px, config)
    small = resample(fill_non_finite(array), working_shape((height, width), factor))
    small = -small if light else small
    small = np.clip(small, *np.percentile(small, [0.01, 99.99])).astype(np.float32)
    diameter = diameter_px / factor
    levels = _Levels.of(small, diameter)
    solid = _dark_or_bright(levels, diameter, config)
    return JunkMask(solid | _other_grain(small, solid, levels, diameter, config), (height, width))


def _reduction(shape: tuple[int, int], diameter_px: float, config: JunkConfig) -> float:
    """Give how many pixels become one, so that particles get their size and the view stays within limits."""
    low, high = config.short_sides_px
    wanted = min(shape) * config.diameter_px / diameter_px
    return max(1.0, min(shape) / float(np.clip(wanted, low, high)))


class _Levels(NamedTuple):
    """A reduced view at three widths, and how much it varies about each place."""

    fine: Array
    broad: Array
    around: Array
    spread: Array
    """Of all that is as fine as a particle, over a few particles."""
    ripple: Array
    """Of what is finer than a particle, over one particle."""

    @classmethod
    def of(cls, small: Array, diameter: float) -> _Levels:
        broad = smooth(small, diameter)
        fine = smooth(small, diameter / 8)
        band = fine - broad
        power = smooth(band * band, 1.5 * diameter)
        narrow = fine - smooth(small, diameter / 2)
        close = smooth(narrow * narrow, 0.75 * diameter)
        return cls(
            fine=smooth(small, diameter / 4),
            broad=broad,
            around=smooth(small, 4 * diameter),
            spread=np.sqrt(np.maximum(power, _SMALLEST**2)),
            ripple=np.sqrt(np.maximum(close, _SMALLEST**2)),
        )


def _dark_or_bright(levels: _Levels, diameter: float, config: JunkConfig) -> Mask:
    """Mark areas of another grey level, and blobs darker and larger than particles."""
    spread = float(np.exp(dominant_mode(np.log(levels.spread))[0]))
    fine_mode, fine_spread = dominant_mode(levels.fine)
    below = fine_mode - levels.fine, levels.around - levels.fine
    limits = (
        max(config.blob * spread, config.outlier * sigma, _SMALLEST)
        for sigma in (fine_spread, dominant_mode(below[1])[1])
    )
    dark = np.logical_or(*(depth > limit for depth, limit in zip(below, limits, strict=True)))
    depth = np.maximum(*below)
    particle = _darkness_of_particles(dark, depth, diameter)
    areas = _other_level(levels, spread, particle, diameter, config)
    radius = config.blob_diameters * diameter / 2
    blobs = opened(dark & (depth > _DARKER * particle), radius)
    return areas | _compact(_core_of_each(blobs, depth, _BLOB_DEPTH, radius), diameter)


def _other_level(
    levels: _Levels, spread: float, particle: float, diameter: float, config: JunkConfig
) -> Mask:
    """Mark areas of another grey level with a clear border.

    Particles lying close make an area too, but one that ripples; uneven illumination and ice of slowly
    changing thickness make one whose border is gentle.
    """
    mode, sigma = dominant_mode(levels.broad)
    difference = np.abs(levels.broad - mode)
    limit = max(config.level * spread, config.outlier * sigma, particle, _SMALLEST)
    other = opened(difference > limit, config.area_diameters * diameter / 2)
    even = ndimage.binary_propagation(other & (difference > config.smooth * levels.ripple), mask=other)
    areas = _core_of_each(even, difference, _AREA_DEPTH, config.area_diameters * diameter / 2)
    return _with_clear_border(areas, difference, config.steepness / diameter)


def _with_clear_border(areas: Mask, difference: Array, steepness: float) -> Mask:
    """Drop areas with a gentle border in which the difference is steep nowhere.

    Gentle is a change per px below this share of the area's largest difference, steep one of twice the share:
    an area with something on it that differs much more, as a ball of ice on carbon, has its border inside.
    """
    labels, count = ndimage.label(areas)
    border = areas & ~ndimage.binary_erosion(areas, border_value=1)
    if not border.any() or min(areas.shape) < 2:
        return areas
    index = np.arange(1, count + 1)
    slope = np.hypot(*np.gradient(difference))
    at_border = np.asarray(ndimage.median(slope[border], labels[border], index))
    steepest = np.asarray(ndimage.maximum(slope, labels, index))
    limit = steepness * np.asarray(ndimage.maximum(difference, labels, index))
    gentle = np.concatenate([[False], (at_border < limit) & (steepest < 2 * limit)])
    return np.asarray(areas & ~gentle[labels], dtype=np.bool_)


def _compact(blobs: Mask, diameter: float) -> Mask:
    """Keep blobs up to a few particles across; what is larger is an area, or a crowd of particles."""
    labels, count = ndimage.label(blobs)
    area = np.bincount(labels.ravel(), minlength=count + 1) / (np.pi * diameter**2 / 4)
    small_enough = area < _LARGEST_BLOB**2
    small_enough[0] = False
    return np.asarray(small_enough[labels], dtype=np.bool_)


def _darkness_of_particles(candidates: Mask, depth: Array, diameter: float) -> float:
    """Give the typical depth of dark patches as large as one particle; 0 where there are too few to tell."""
    labels, count = ndimage.label(candidates)
    if count < _FEWEST_PARTICLES:
        return 0.0
    index = np.arange(1, count + 1)
    area = ndimage.sum_labels(candidates, labels, index) / (np.pi * diameter**2 / 4)
    deepest = np.asarray(ndimage.maximum(depth, labels, index))
    alone = deepest[(area > 0.3) & (area < 2.0)]
    return float(np.median(alone)) if len(alone) >= _FEWEST_PARTICLES else 0.0


def _core_of_each(blobs: Mask, depth: Array, share: float, radius: float) -> Mask:
    """Cut every patch at a share of its depth, so that its blur does not make it larger."""
    labels, count = ndimage.label(blobs)
    if count == 0:
        return blobs
    deepest = np.concatenate([[0.0], np.asarray(ndimage.maximum(depth, labels, np.arange(1, count + 1)))])
    return opened(blobs & (depth > share * deepest[labels]), radius)


def _other_grain(small: Array, solid: Mask, levels: _Levels, diameter: float, config: JunkConfig) -> Mask:
    """Mark areas with a clear border whose finest grain is stronger or weaker: carbon, gold.

    The edges of clear particles are grain, too. Where what is as large as a particle is stronger by far more
    than the grain is, there is a crowd of them. Where the grain is weaker and the level brighter there is
    less of everything: the gap in a crowd, or a hole. Nothing is picked there; what is beside it is no junk.
    """
    grain = np.abs(small - smooth(small, 1.0))
    limit = 2.5 * float(np.median(grain))
    near = ndimage.distance_transform_edt(~solid) <= 0.75 * diameter if solid.any() else solid
    weight = (~near).astype(np.float32)
    seen = smooth(weight, 1.5 * diameter)
    if limit == 0 or not (seen > 0.3).any():
        return np.zeros_like(solid)
    mean = smooth(np.minimum(grain, limit) * weight, 1.5 * diameter)
    log = np.log(np.maximum(mean / np.maximum(seen, 1e-6), 1e-12))
    known = (seen > 0.3) & ~near
    if not known.any():
        return np.zeros_like(solid)
    mode, spread = dominant_mode(log[known])
    difference = np.abs(log - mode)
    other = known & (difference > max(config.texture, config.outlier * spread))
    usual, sigma = dominant_mode(levels.broad)
    less = (log < mode) & (levels.broad > usual + config.outlier * sigma)
    crowd = np.log(levels.spread) > np.median(np.log(levels.spread)[known & ~other]) + difference + _CROWD
    other &= ~less & ~crowd
    areas = opened(other, config.area_diameters * diameter)
    return _with_clear_border(areas, np.minimum(difference, _OTHER_GRAIN), config.steepness / diameter)


def dominant_mode(values: NDArray[np.floating]) -> tuple[float, float]:
    """Give the half-sample mode of values, and a robust standard deviation about it.

    The densest half of the values is taken again and again; the spread is that of the nearest 40 %, so
    that neither sees what more than half of the values are not part of.
    """
    flat = np.sort(values, axis=None)
    flat = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    densest = flat
    while len(densest) > max(50, len(flat) // 8):
        half = len(densest) // 2
        start = int(np.argmin(densest[half:] - densest[: len(densest) - half]))
        densest = densest[start : start + half + 1]
    mode = float(densest.mean())
    spread = float(np.quantile(np.abs(flat - mode), 0.4)) / _SIGMAS_OF_40_PERCENT
    return mode, spread


def opened(mask: Mask, radius: float) -> Mask:
    """Keep what a disc of ``radius`` px inside the mask can reach; beyond an edge the view is mirrored."""
    if not mask.any():
        return mask
    margin = min(int(radius) + 2, *mask.shape)
    inside = ndimage.distance_transform_edt(np.pad(mask, margin, mode="symmetric"))
    core = inside > radius
    if not core.any():
        return np.zeros_like(mask)
    if core.all():
        return np.ones_like(mask)
    reached = ndimage.distance_transform_edt(~core) <= radius
    return np.asarray(reached[margin:-margin, margin:-margin], dtype=np.bool_)

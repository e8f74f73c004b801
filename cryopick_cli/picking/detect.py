"""Run the network over one normalised view, in tiles where the view is large, and decode its candidates.

Works in the view's own pixels. Which scale the view has, and which candidates become picks, is decided
elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import pad
from torchvision.ops import nms

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.anchors import decode, to_corners
from cryopick_cli.model.weights import Model

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """What the network's output is cut down to before any decision about picks."""

    floor: float = field(default=0.05, metadata={"help": "Lowest score of a candidate."})
    most_candidates: int = field(
        default=60_000, metadata={"help": "Candidates a tile before overlapping ones go."}
    )
    overlap_iou: float = field(
        default=0.5, metadata={"help": "Overlap from which the weaker candidate goes."}
    )
    tile_px: int = field(
        default=2048, metadata={"help": "Largest edge of a view that is not cut into tiles."}
    )
    tile_overlap_px: int = field(default=256, metadata={"help": "How much neighbouring tiles share."})

    def __post_init__(self) -> None:
        """Refuse settings that lose particles."""
        if not 0 < self.floor < 1:
            raise ConfigError(f"floor: found {self.floor}, expected a score between 0 and 1")
        if self.most_candidates < 1:
            raise ConfigError(f"most_candidates: found {self.most_candidates}, expected 1 or more")
        if self.tile_px % 64 or self.tile_overlap_px >= self.tile_px:
            raise ConfigError("tile_px: expected a multiple of 64, larger than tile_overlap_px")


class Candidates(NamedTuple):
    """Possible particles of a view, ``(n,)`` each, in the view's pixels."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    diameter: NDArray[np.float64]
    logit: NDArray[np.float64]
    """Log-odds as the network gives them."""

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Candidates:
        """Keep some of them, by mask or by index."""
        return Candidates(*(column[which] for column in self))


class Tile(NamedTuple):
    """A window of a view and the part of it that this tile answers for, as slices of rows and columns."""

    window: tuple[slice, slice]
    core: tuple[slice, slice]


def detect(model: Model, view: NDArray[np.float32], config: DetectConfig) -> Candidates:
    """Find candidates in a view.

    Parameters
    ----------
    model : Model
    view : (h, w) float32
        Normalised, particles dark.
    config : DetectConfig

    Returns
    -------
    Candidates
        Above the floor, without strong overlaps, sorted by falling log-odds. Each has the mean centre and
        size of what it stands for, see :func:`fuse`.
    """
    found = [_detect_tile(model, view, tile, config) for tile in tiles(view.shape, config)]
    rows = torch.cat(found)
    rows = rows[rows.isfinite().all(dim=1)]
    rows = rows[rows[:, 3].argsort(descending=True, stable=True)]
    kept = nms(to_corners(rows[:, :3]), rows[:, 3], config.overlap_iou)
    # Apple's GPUs have no double precision.
    return fuse(_to_candidates(rows), kept.cpu().numpy(), config.overlap_iou)


def fuse(found: Candidates, kept: NDArray[np.int64], overlap_iou: float) -> Candidates:
    """Let each kept candidate have the mean centre and mean log size of what overlaps it, weighted by score.

    Neighbouring anchors see the same particle, each with an error of its own, which the mean evens out. A
    candidate counts for the kept one whose centre is nearest, if it overlaps that one.

    Parameters
    ----------
    found : Candidates
        All of them.
    kept : (k,) int64
        Rows of those that stay.
    overlap_iou : float
        Overlap from which one counts for another.
    """
    best = found.select(kept)
    if len(kept) == 0:
        return best
    _, owner = cKDTree(np.column_stack([best.x, best.y])).query(np.column_stack([found.x, found.y]))
    weight = expit(found.logit) * (overlap(found, best.select(owner)) > overlap_iou)
    weight[kept] = expit(best.logit)
    owner[kept] = np.arange(len(kept))

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.bincount(owner, weight * values, len(kept))
        return np.asarray(total / np.bincount(owner, weight, len(kept)), dtype=np.float64)

    return Candidates(mean(found.x), mean(found.y), np.exp(mean(np.log(found.diameter))), best.logit)


def overlap(one: Candidates, other: Candidates) -> NDArray[np.float64]:
    """Give the intersection over union of the squares about candidates, row by row."""
    reach = (one.diameter + other.diameter) / 2
    smaller = np.minimum(one.diameter, other.diameter)
    sides = [np.clip(reach - np.abs(a - b), 0, smaller) for a, b in ((one.x, other.x), (one.y, other.y))]
    shared = sides[0] * sides[1]
    return np.asarray(shared / (one.diameter**2 + other.diameter**2 - shared), dtype=np.float64)


def _to_candidates(rows: Tensor) -> Candidates:
    columns = rows.cpu().double().numpy()
    return Candidates(*(np.ascontiguousarray(columns[:, i]) for i in range(4)))


def tiles(shape: tuple[int, ...], config: DetectConfig) -> Iterator[Tile]:
    """Cover a view with overlapping tiles; a candidate belongs to the tile whose core holds its centre."""
    for rows, core_rows in _spans(shape[0], config):
        for columns, core_columns in _spans(shape[1], config):
            yield Tile((rows, columns), (core_rows, core_columns))


def _spans(length: int, config: DetectConfig) -> Iterator[tuple[slice, slice]]:
    """Cut one axis into equal windows no longer than a tile; cores meet in the middle of the shared parts."""
    shared = config.tile_overlap_px
    count = 1 if length <= config.tile_px else -(-(length - shared) // (config.tile_px - shared))
    window = -(-(length + (count - 1) * shared) // count)
    step = window - shared
    edges = [0, *(index * step + shared // 2 for index in range(1, count)), length]
    for index, (start, stop) in enumerate(pairwise(edges)):
        yield slice(index * step, min(length, index * step + window)), slice(start, stop)


def _detect_tile(model: Model, view: NDArray[np.float32], tile: Tile, config: DetectConfig) -> Tensor:
    """Run the network on one tile; give (n, 4) of x, y, diameter, logit in the view's px."""
    window = torch.from_numpy(np.ascontiguousarray(view[tile.window]))[None, None]
    device, dtype = model.device.device, model.device.dtype
    height, width = window.shape[-2:]
    multiple = model.network.multiple
    padded = pad(window.to(device), (0, -width % multiple, 0, -height % multiple))
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        output = model.network(padded.contiguous(memory_format=torch.channels_last))
    logits = output.logits[0]
    above = torch.nonzero(logits > np.log(config.floor / (1 - config.floor))).squeeze(1)
    if len(above) > config.most_candidates:
        log.warning(
            "found %d candidates in one view, expected %d at most; the weakest are left out",
            len(above),
            config.most_candidates,
        )
        above = above[logits[above].topk(config.most_candidates).indices]
    particles = decode(output.deltas[0, above], output.anchors[above])
    offset = torch.tensor([tile.window[1].start, tile.window[0].start], device=device)
    centres = particles[:, :2] + offset
    core_rows, core_columns = tile.core
    inside = (
        (centres[:, 0] >= core_columns.start - 0.5)
        & (centres[:, 0] < core_columns.stop - 0.5)
        & (centres[:, 1] >= core_rows.start - 0.5)
        & (centres[:, 1] < core_rows.stop - 0.5)
    )
    return torch.cat([centres, particles[:, 2:], logits[above, None]], dim=1)[inside]

"""Square anchors on the pyramid's grid, their matching to particles, and how particles are coded by them.

A particle is ``(x, y, diameter)`` in working pixels, the first pixel's centre at (0, 0). Nothing here learns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from cryopick_cli.model.config import NetworkConfig

PARTICLE, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True, kw_only=True)
class MatchConfig:
    """When an anchor stands for a particle, by the intersection over union of their squares."""

    particle_iou: float = 0.5
    background_iou: float = 0.4
    ignore_iou: float = 0.3


class SquareAnchors(torch.nn.Module):
    """Anchors of every pyramid level, as ``(x, y, size)`` in working pixels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self._generator = AnchorGenerator(config.anchor_sizes, ((1.0,),) * len(config.strides))

    def forward(self, view: Tensor, levels: list[Tensor]) -> Tensor:
        """Lay the anchors over a view.

        Parameters
        ----------
        view : (n, 1, h, w)
            Only its shape, type and device are used.
        levels : list of (n, c, h_l, w_l)
            The pyramid.

        Returns
        -------
        (a, 3) float32
            Anchors in the order of the heads' output: level, row, column, size.
        """
        # The generator computes in the levels' type; half precision cannot hold a coordinate beyond 256 px.
        shapes = [view.new_empty((), dtype=torch.float32).expand(level.shape) for level in levels]
        corners = self._generator(ImageList(view[:1].float(), [(view.shape[-2], view.shape[-1])]), shapes)[0]
        size = corners[:, 2] - corners[:, 0]
        # The generator centres anchors on whole multiples of the stride, as the encoder centres its features.
        centres = (corners[:, :2] + corners[:, 2:]) / 2
        return torch.cat([centres, size[:, None]], dim=1)


def lay_anchors(config: NetworkConfig, size_px: int) -> Tensor:
    """Give the anchors of a square view, (a, 3), as the network lays them: level, row, column, size.

    Parameters
    ----------
    config : NetworkConfig
    size_px : int
        Edge of the view, a multiple of the largest stride.
    """
    levels = [torch.empty(1, 1, size_px // stride, size_px // stride) for stride in config.strides]
    anchors: Tensor = SquareAnchors(config)(torch.empty(1, 1, size_px, size_px), levels)
    return anchors


def to_corners(particles: Tensor) -> Tensor:
    """Turn ``(n, 3)`` of x, y, size into ``(n, 4)`` corners of the squares."""
    half = particles[:, 2:] / 2
    return torch.cat([particles[:, :2] - half, particles[:, :2] + half], dim=1)


def encode(particles: Tensor, anchors: Tensor) -> Tensor:
    """Code particles by their anchors: offset in anchor sizes and log of the size's ratio, ``(n, 3)``."""
    offset = (particles[:, :2] - anchors[:, :2]) / anchors[:, 2:]
    return torch.cat([offset, torch.log(particles[:, 2:] / anchors[:, 2:])], dim=1)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """Invert :func:`encode`; sizes stay within a factor of eight of the anchor's."""
    centres = anchors[..., :2] + deltas[..., :2] * anchors[..., 2:]
    size = anchors[..., 2:] * torch.exp(deltas[..., 2:].clamp(-2.08, 2.08))
    return torch.cat([centres, size], dim=-1)


def match(anchors: Tensor, particles: Tensor, ignored: Tensor, config: MatchConfig) -> tuple[Tensor, Tensor]:
    """Give every anchor its label and the particle it stands for.

    An anchor is a particle's if their squares overlap by ``particle_iou``, or if it is the best anchor of a
    particle that has none so good. Anchors between, and those over an ignored place, do not enter the loss.

    Parameters
    ----------
    anchors : (a, 3)
    particles, ignored : (p, 3), (q, 3)
        Particles to learn, and places to leave out.
    config : MatchConfig

    Returns
    -------
    labels : (a,) int64
        PARTICLE, BACKGROUND or IGNORED.
    index : (a,) int64
        Row of ``particles``; meaningful where the label is PARTICLE.
    """
    labels = torch.full((len(anchors),), BACKGROUND, dtype=torch.int64, device=anchors.device)
    index = torch.zeros_like(labels)
    if len(ignored):
        near = _of_fitting_size(anchors, ignored, config.ignore_iou)
        iou = box_iou(to_corners(anchors[near]), to_corners(ignored))
        labels[near[iou.amax(dim=1) >= config.ignore_iou]] = IGNORED
    if len(particles):
        near = _of_fitting_size(anchors, particles, config.background_iou)
        iou = box_iou(to_corners(anchors[near]), to_corners(particles))
        best, index[near] = iou.max(dim=1)
        labels[near[(best >= config.background_iou) & (best < config.particle_iou)]] = IGNORED
        best_anchor = near[iou.argmax(dim=0)]
        index[best_anchor] = torch.arange(len(particles), device=anchors.device)
        labels[near[best >= config.particle_iou]] = PARTICLE
        labels[best_anchor] = PARTICLE
    return labels, index


def _of_fitting_size(anchors: Tensor, particles: Tensor, iou: float) -> Tensor:
    """Give the rows of the anchors whose size lets them overlap some particle by ``iou``; at least one size.

    Squares of sizes a < b overlap by (a / b)² at best. The particles of a view have nearly one size, so this
    leaves out most anchors before any overlap is computed.
    """
    size, margin = anchors[:, 2], iou**0.5
    low = torch.minimum(particles[:, 2].min() * margin, size.max())
    high = torch.maximum(particles[:, 2].max() / margin, size.min())
    return torch.nonzero((size >= low) & (size <= high)).squeeze(1)

"""What a mask of junk does to picks: a soft penalty, a cut, or nothing. How the mask is found: imaging.

Knows no network and no files.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.imaging.junk import JunkMask

Floats = NDArray[np.float64]

DROP, FLAG, KEEP = MODES = ("drop", "flag", "keep")
# What is left of the score of a candidate that lies on junk altogether.
_LEFT = 0.2
# Share of its disc from which a candidate lies on junk.
MOST = 0.5
# A mask of this share of the view or more must not hold most of what looks like particles.
_DOUBTFUL_AREA = 0.25
# Score of a candidate that is surely a particle.
_SURE = 0.5
# Sure particles cover this share of a raft, which is as large as this many of them; what is smaller may be
# one blob, in which a few false alarms look like a raft.
_RAFT_COVER, _RAFT_PARTICLES = 0.4, 12.0


def judged(mask: JunkMask, x: Floats, y: Floats, diameter: Floats, score: Floats) -> JunkMask:
    """Give the mask without what the candidates of the micrograph speak against.

    A large mask that holds most of the evidence for particles is not believed at all: there carbon or gold
    fills most of the view, and what differs from the dominant level is the ice. Else patches that sure
    particles cover are cleared: rafts of particles, which look like one dark patch from afar.
    """
    if mask.area >= _DOUBTFUL_AREA and _holds_most(mask, x, y, diameter, score**2):
        return mask.cleared()
    sure = score >= _SURE
    return _without_rafts(mask, x[sure], y[sure], diameter[sure])


def _holds_most(mask: JunkMask, x: Floats, y: Floats, diameter: Floats, evidence: Floats) -> bool:
    """Tell whether most of the evidence for particles lies on the mask."""
    on_junk = evidence[mask.share(x, y, diameter) > MOST].sum()
    return bool(on_junk > 0.5 * evidence.sum())


def _without_rafts(mask: JunkMask, x: Floats, y: Floats, diameter: Floats) -> JunkMask:
    """Clear the patches that particles at these places, all of about one size, cover."""
    if len(x) == 0 or not mask.array.any():
        return mask
    labels, count = ndimage.label(mask.array)
    index = np.arange(count + 1)
    size = float(np.median(diameter))
    area = np.bincount(labels.ravel(), minlength=count + 1) * np.prod(mask.cell)
    covered = np.asarray(ndimage.mean(mask.near(x, y, size / 2), labels, index))
    rafts = (area >= _RAFT_PARTICLES * np.pi * size**2 / 4) & (covered >= _RAFT_COVER)
    return replace(mask, array=mask.array & ~rafts[labels])


def junk_of(mask: JunkMask | None, x: Floats, y: Floats, diameter: Floats) -> Floats:
    """Give the share of each candidate's disc that lies on junk, 0 to 1; zeros without a mask."""
    return np.zeros(len(x)) if mask is None or len(x) == 0 else mask.share(x, y, diameter)


def fade_of(junk: Floats, mode: str) -> Floats:
    """Give the factor on the score of what lies on junk, 0.2 where all of its disc does; 1 under ``keep``."""
    return np.ones_like(junk) if mode == KEEP else 1 - (1 - _LEFT) * junk


def allowed(junk: Floats, mode: str) -> NDArray[np.bool_]:
    """Tell which candidates may be accepted: under ``drop`` those less than half on junk."""
    return np.asarray((junk < MOST) | (mode != DROP), dtype=np.bool_)

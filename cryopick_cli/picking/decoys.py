"""Copies of a few micrographs in which there is no particle, and what the network makes of them.

One copy has its contrast inverted, the other its phases drawn anew. What is found in them at a threshold is
about as much as is found wrongly in the micrographs themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkMask
from cryopick_cli.imaging.normalise import fill_non_finite
from cryopick_cli.imaging.phases import randomise_phases
from cryopick_cli.imaging.resample import resample, working_shape
from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.candidates import look, prepare_views, working_factor
from cryopick_cli.picking.choice import chosen
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.threshold import DecoyScores, Floats
from cryopick_cli.picking.view import View
from cryopick_cli.picking.weighing import weigh

# Copies of a micrograph that has decoys.
COPIES = 2


@dataclass(frozen=True)
class Genuine:
    """A micrograph of the sample: its name, its candidates, those of its decoys, and its junk."""

    name: str
    micrograph: Micrograph
    found: Candidates
    in_decoys: tuple[Candidates, ...] = ()
    """What is found in the copies with inverted contrast and of noise, where there are any."""
    mask: JunkMask | None = None
    """Where it shows no ice, where that counts."""


class Decoys(NamedTuple):
    """Copies of a micrograph as the network is to see them, and how many of its px are one of the noise."""

    inverted: list[View]
    noise: list[View]
    scale: float


def choose_copied(names: Iterable[str], config: PickConfig) -> list[str]:
    """Choose the micrographs to make decoys of, by the hash that chose the sample.

    Averaged scores are to be compared with averaged ones, which cost many looks: then there are fewer decoys.
    """
    limits = config.thresholding
    count = limits.averaged_decoy_micrographs if config.quality == "best" else limits.decoy_micrographs
    return chosen(names, count, config.seed)


def prepare_decoys(
    model: Model,
    name: str,
    micrograph: Micrograph,
    diameter_px: float | None,
    views: Sequence[View],
    config: PickConfig,
) -> Decoys:
    """Make the decoys of a micrograph from its ``views`` and from noise with its spectrum."""
    array = fill_non_finite(micrograph.array)
    factor = working_factor(model, array.shape, diameter_px, config)
    shape = working_shape((array.shape[0], array.shape[1]), max(1.0, factor))
    digest = hashlib.sha256(f"{config.seed}:{name}".encode()).digest()
    noise = randomise_phases(resample(array, shape), np.random.default_rng(list(digest[:8])))
    scale = array.shape[1] / shape[1]
    diameter = None if diameter_px is None else diameter_px / scale
    return Decoys([view.inverted() for view in views], prepare_views(model, noise, diameter, config), scale)


def look_at_decoys(model: Model, decoys: Decoys, config: PickConfig) -> tuple[Candidates, Candidates]:
    """Find candidates in both decoys of a micrograph, in the micrograph's pixels."""
    found, scale = look(model, decoys.noise, config), decoys.scale
    in_noise = found._replace(x=found.x * scale, y=found.y * scale, diameter=found.diameter * scale)
    return look(model, decoys.inverted, config), in_noise


def score_decoys(
    genuine: Sequence[Genuine], prior: SizePrior | None, point: OperatingPoint, config: PickConfig
) -> DecoyScores:
    """Score the candidates of a few micrographs and of their decoys alike.

    Only those that could become picks count; junk is where the micrograph itself has it.
    """
    scores: tuple[list[Floats], ...] = ([], [], [])
    for one in (one for one in genuine if one.in_decoys):
        for kind, found in enumerate((one.found, *one.in_decoys)):
            weighed = weigh(found, one.micrograph, prior, point, config, one.mask)
            scores[kind].append(weighed.score[weighed.eligible])
    return DecoyScores(*(np.concatenate(kind) if kind else np.zeros(0) for kind in scores))

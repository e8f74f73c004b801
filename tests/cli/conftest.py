"""Micrographs with planted particles, whose coordinates are known and can be spoiled; an eager network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.transform import TransformConfig
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import OperatingPoint, save_model

SHAPE = (300, 420)
DIAMETER = 16
COUNT = 40
# What was done to right coordinates, and how the message names it.
FAULTS = {
    "y flipped": TransformConfig(flip_y=True),
    "x and y exchanged": TransformConfig(swap_xy=True),
    "in pixels 2 times as large": TransformConfig(scale=0.5),
    "corners of boxes, not centres": TransformConfig(shift=(-12, -12)),  # half of 1.5 diameters
}


def plant(seed: int) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Make coordinates apart from each other, and a noisy micrograph with dark disks there."""
    rng = np.random.default_rng(seed)
    centres: list[NDArray[np.float64]] = []
    # Within a square, so that exchanged coordinates stay inside the micrograph.
    while len(centres) < COUNT:
        new = rng.uniform(25, SHAPE[0] - 26, 2)
        if all(np.hypot(*(new - old)) > 1.5 * DIAMETER for old in centres):
            centres.append(new)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disks = sum(np.hypot(x - cx, y - cy) <= DIAMETER / 2 for cx, cy in centres)
    array = rng.normal(0, 1, SHAPE) - np.asarray(disks)
    return make_coordinates(*np.transpose(centres)), array.astype(np.float32)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network that finds everything likely, so that it picks something everywhere."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    config = NetworkConfig(pyramid_channels=8, head_depth=1, head_norm_groups=4, prior_probability=0.5)
    save_model(folder, RetinaNet(config), "tiny", OperatingPoint(), {})
    return folder


@pytest.fixture(scope="session")
def planted() -> dict[str, tuple[pd.DataFrame, NDArray[np.float32]]]:
    """Give three micrographs of 420 x 300 px by stem: coordinates of disks of 16 px, and the array."""
    return {f"m{seed}": plant(seed) for seed in (1, 2, 3)}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> tuple[str, TransformConfig]:
    """Give each way in which coordinates go wrong: what the message calls it, and how to do it."""
    return request.param, FAULTS[request.param]

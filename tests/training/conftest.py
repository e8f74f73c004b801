"""A tiny encoder in place of ResNet-18, a recipe of seconds, and a folder of planted particles to learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.training.config import CropConfig, OptimiserConfig, SourceConfig, TrainConfig

Recipe = Callable[..., TrainConfig]


@pytest.fixture(scope="session")
def cpu() -> DeviceChoice:
    """Give the CPU in single precision, whatever it could do."""
    return DeviceChoice(torch.device("cpu"), torch.float32, "a test")


@pytest.fixture
def recipe() -> Recipe:
    """Give a function that makes a recipe of four steps on small crops; its arguments replace fields."""

    def make(**changes: Any) -> TrainConfig:
        config = TrainConfig(
            sources=(SourceConfig(name="planted", micrographs=Path("mics"), coordinates=Path("coords")),),
            network=NetworkConfig(resnet_width=8, pyramid_channels=16, head_depth=1, strides=(8, 16, 32)),
            crop=CropConfig(size_px=64, smallest_side_px=64, working_diameter_px=24.0),
            optimiser=OptimiserConfig(steps=4, batch=2, warm_up=2),
            workers=0,
            checkpoint_every=2,
            validate_every=2,
        )
        return replace(config, **changes)

    return make


@pytest.fixture
def planted_data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Write three micrographs of dark discs of 24 px in noise, and their coordinates."""
    for name in ("one", "two", "three"):
        grid = np.mgrid[30:220:44, 30:190:44].reshape(2, -1).T
        centres = grid + rng.uniform(-8, 8, grid.shape)
        array = rng.normal(size=(210, 250)).astype(np.float32)
        rows, columns = np.mgrid[:210, :250]
        for x, y in centres:
            array[(columns - x) ** 2 + (rows - y) ** 2 <= 12**2] -= 4
        write_micrograph(tmp_path / "mics" / f"{name}.mrc", array, 2.0)
        (tmp_path / "coords").mkdir(exist_ok=True)
        table = pd.DataFrame({"x": centres[:, 0], "y": centres[:, 1], "diameter": 24.0})
        table.to_csv(tmp_path / "coords" / f"{name}.csv", index=False)
    return tmp_path

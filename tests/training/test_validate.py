"""Validation: which micrographs are looked at, and figures through the whole picker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cryopick_cli.errors import InputError
from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.micrograph import Micrograph, write_micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.training import validate as module
from cryopick_cli.training.config import ValidationConfig
from cryopick_cli.training.dataset import LabelledMicrograph
from cryopick_cli.training.validate import as_model, choose_validation, validate

REFERENCE = np.array(
    [(50, 50, 20, 0), (150, 60, 20, 0), (100, 150, 20, 0), (20, 180, 20, 1)], dtype=np.float64
)


@pytest.fixture
def labelled(tmp_path: Path) -> list[LabelledMicrograph]:
    found = []
    for name in ("a", "b"):
        write_micrograph(tmp_path / f"{name}.mrc", np.zeros((64, 64), np.float32))
        found.append(LabelledMicrograph(tmp_path / f"{name}.mrc", REFERENCE))
    return found


def test_micrographs_are_spread_evenly_over_the_set(tmp_path: Path) -> None:
    for i in range(10):
        write_micrograph(tmp_path / "mics" / f"m{i}.mrc", np.zeros((40, 40), np.float32))
        (tmp_path / "coords").mkdir(exist_ok=True)
        (tmp_path / "coords" / f"m{i}.csv").write_text("x,y,diameter\n1,2,30\n")
    config = ValidationConfig(name="klh", micrographs=Path("mics"), coordinates=Path("coords"), most=4)
    assert [one.path.stem for one in choose_validation(config, tmp_path)] == ["m0", "m2", "m5", "m7"]
    few = ValidationConfig(
        name="klh", micrographs=Path("mics"), coordinates=Path("coords"), include=("m[12]*",), most=4
    )
    assert [one.path.stem for one in choose_validation(few, tmp_path)] == ["m1", "m2"]
    none = ValidationConfig(name="klh", micrographs=Path("mics"), coordinates=Path("coords"), include=("x",))
    with pytest.raises(InputError, match="source klh"):
        choose_validation(none, tmp_path)


def test_figures_are_those_of_the_picks(
    labelled: list[LabelledMicrograph], cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each micrograph two of three particles are found, and a false alarm, and a place to ignore."""
    seen: list[Any] = []

    def picks_of(model: Any, micrograph: Micrograph, calibration: Any, config: Any) -> pd.DataFrame:
        seen.append((micrograph.path.stem, model.card.operating_point.working_diameter_px))
        return make_coordinates(
            [51.0, 150.0, 20.0, 180.0],
            [50.0, 60.0, 180.0, 20.0],
            diameter_px=22.0,
            score=[0.9, 0.8, 0.7, 0.3],
        )

    monkeypatch.setattr(module, "calibrate", lambda *_: Calibration(unit="px", prior=None, threshold=0.5))
    monkeypatch.setattr(module, "pick_micrograph", picks_of)
    network = RetinaNet(NetworkConfig(resnet_width=8, pyramid_channels=16, head_depth=1))
    figures = validate(network, cpu, labelled, working_diameter_px=36.0)
    assert seen == [("a", 36.0), ("b", 36.0)]
    assert figures["ap"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["best_f1"] == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3), abs=1e-3)
    assert 0.3 < figures["best_threshold"] <= 0.8
    assert figures["diameter_ratio"] == pytest.approx(1.1)


def test_a_network_that_finds_nothing_scores_nothing(
    labelled: list[LabelledMicrograph], cpu: DeviceChoice
) -> None:
    """As at the start of training: prior scores of 0.01 lie below the floor, and nothing may break."""
    figures = validate(
        RetinaNet(NetworkConfig(resnet_width=8, pyramid_channels=16, head_depth=1)), cpu, labelled, 40.0
    )
    assert figures["ap"] == 0
    assert figures["best_f1"] == 0


def test_a_network_in_training_becomes_a_model_in_evaluation_mode(cpu: DeviceChoice) -> None:
    network = RetinaNet(NetworkConfig(resnet_width=8, pyramid_channels=16, head_depth=1)).train()
    model = as_model(network, cpu, 44.0)
    assert not model.network.training
    assert model.card.operating_point.working_diameter_px == 44.0
    assert model.card.network == network.config
    assert next(model.network.parameters()).device == torch.device("cpu")

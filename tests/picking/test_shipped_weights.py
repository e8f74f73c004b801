"""The shipped weights on a real micrograph: stored picks, found again.

After a change of weights, look at the picks and run once with CRYOPICK_ACCEPT=1.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, find_weights, load_model, read_card
from cryopick_cli.picking.calibrate import calibrate
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.contrast import is_light, look_both_ways, prepare_middle
from cryopick_cli.picking.pick import pick_micrograph

REPOSITORY = Path(__file__).parents[2]
MICROGRAPH = REPOSITORY / "examples/micrographs/klh_01nov26b.015.003.001.002.mrc"
EXPECTED = Path(__file__).parent / "expected_picks.json"


@pytest.fixture(scope="module")
def picked():
    model = load_model(DEFAULT_WEIGHTS, choose_device("cpu"))
    micrograph = read_micrograph(MICROGRAPH)
    calibration = calibrate(model, [micrograph], [MICROGRAPH.name], PickConfig())
    return calibration, pick_micrograph(model, micrograph, calibration, PickConfig(edge="0"))


def test_a_real_micrograph_gives_the_stored_picks(picked):
    _, picks = picked
    accepted = picks[picks["accepted"]]
    centres = accepted[["x", "y"]].to_numpy()
    sha256 = read_card(find_weights()).sha256
    if os.environ.get("CRYOPICK_ACCEPT"):
        content = {"weights_sha256": sha256, "centres": centres.round(1).tolist()}
        EXPECTED.write_text(json.dumps(content) + "\n", encoding="utf-8")
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    assert expected["weights_sha256"] == sha256, (
        "new weights: look at the picks, then run with CRYOPICK_ACCEPT=1"
    )
    stored = np.array(expected["centres"])
    # bfloat16 and float32 differ in the third digit: a pick at the threshold may come or go.
    distance, _ = cKDTree(centres).query(stored)
    assert (distance < 3.0).mean() >= 0.9
    assert abs(len(centres) - len(stored)) <= 0.1 * len(stored) + 1


def test_the_diameter_is_that_of_haemocyanin(picked):
    calibration, picks = picked
    # 72.5 px for top views, 87.5 px for side views; within ten per cent of that span.
    median = picks[picks["accepted"]]["diameter_px"].median()
    assert 0.9 * 72.5 <= median <= 1.1 * 87.5
    assert calibration.unit == "Å"
    assert not calibration.light


def test_light_particles_are_recognised():
    model = load_model(DEFAULT_WEIGHTS, choose_device("cpu"))
    micrographs = [read_micrograph(path) for path in sorted(MICROGRAPH.parent.glob("klh_*.mrc"))]
    light = [replace(micrograph, array=-micrograph.array) for micrograph in micrographs]

    def found_light(sample):
        return is_light(*look_both_ways(model, prepare_middle(model, sample, PickConfig()), PickConfig()))

    assert not found_light(micrographs)
    assert found_light(light)


def test_light_and_dark_versions_of_a_micrograph_give_the_same_picks(picked):
    calibration, dark = picked
    model = load_model(DEFAULT_WEIGHTS, choose_device("cpu"))
    micrograph = read_micrograph(MICROGRAPH)
    inverted = replace(micrograph, array=-micrograph.array)
    found = calibrate(model, [inverted], [MICROGRAPH.name], PickConfig())
    light = pick_micrograph(model, inverted, found, PickConfig())
    assert found.light
    assert not calibration.light
    assert found.threshold == pytest.approx(calibration.threshold, abs=0.02)
    light, dark = light[light["accepted"]], dark[dark["accepted"]]
    distance, _ = cKDTree(light[["x", "y"]]).query(dark[["x", "y"]])
    assert (distance < 2.0).mean() >= 0.95
    assert abs(len(light) - len(dark)) <= 2


def test_no_two_picks_are_nearer_than_half_a_diameter(picked):
    calibration, picks = picked
    distance, _ = cKDTree(picks[["x", "y"]]).query(picks[["x", "y"]], k=2)
    assert distance[:, 1].min() >= 0.5 * calibration.diameter_px(4.4) * (1 - 1e-6)

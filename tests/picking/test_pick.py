"""The whole product in one sitting: planted particles come out where they were put, with their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from torch import Tensor, nn

from cryopick_cli.formats.coordinates import COLUMNS
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import Output
from cryopick_cli.model.weights import Model, ModelCard, OperatingPoint
from cryopick_cli.picking.calibrate import Calibration, calibrate
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.picking.detect import Candidates, DetectConfig
from cryopick_cli.picking.pick import Sight, pick_micrograph
from cryopick_cli.units import Length

Plant = Callable[..., Micrograph]
CONFIG = PickConfig()
CENTRES = np.array(
    [(70, 60), (200.5, 80), (330, 70.25), (450, 95), (90, 210), (240, 230), (400, 250), (130, 350)]
)


def pick(model: Model, micrograph: Micrograph, config: PickConfig = CONFIG) -> pd.DataFrame:
    return pick_micrograph(model, micrograph, calibrate(model, [micrograph], ["one"], config), config)


def distances(picks: pd.DataFrame) -> np.ndarray:
    """Give the distance from each planted centre to the nearest pick."""
    apart = np.hypot(
        picks["x"].to_numpy()[:, None] - CENTRES[:, 0], picks["y"].to_numpy()[:, None] - CENTRES[:, 1]
    )
    return np.asarray(apart.min(axis=0))


@pytest.mark.parametrize("diameter", [26.0, 40.0, 58.0])
def test_planted_particles_are_picked_in_place_and_size(
    diameter: float, planted_model: Model, plant: Plant
) -> None:
    picks = pick(planted_model, plant(diameter, CENTRES))
    assert len(picks) == 8
    assert picks["accepted"].all()
    assert distances(picks).max() < 0.5
    assert picks["diameter_px"].median() == pytest.approx(diameter, rel=0.05)
    assert picks["diameter_A"].isna().all()


def test_light_particles_are_picked_too(planted_model: Model, plant: Plant) -> None:
    picks = pick(planted_model, plant(40, CENTRES, grey=30.0))
    assert picks["accepted"].sum() == 8
    assert distances(picks).max() < 0.5


def test_diameters_in_angstrom_need_a_pixel_size_only(planted_model: Model, plant: Plant) -> None:
    picks = pick(planted_model, plant(40, CENTRES, pixel_size=2.0))
    np.testing.assert_allclose(picks["diameter_A"], 2 * picks["diameter_px"])
    assert distances(picks).max() < 0.5  # coordinates stay in pixels


def test_the_table_is_typed_sorted_and_speaks_of_odds(planted_model: Model, plant: Plant) -> None:
    picks = pick(planted_model, plant(40, CENTRES))
    assert tuple(picks.columns) == (*COLUMNS, "junk", "score_without_junk", "threshold")
    assert picks["accepted"].dtype == bool
    assert picks["score"].is_monotonic_decreasing
    assert picks["score"].between(0, 1).all()
    odds = np.log(picks["score"] / (1 - picks["score"]))
    np.testing.assert_allclose(picks["figure_of_merit"], odds)


def test_a_micrograph_without_particles_gives_an_empty_table_of_the_same_type(
    planted_model: Model, plant: Plant
) -> None:
    empty = plant(40, np.zeros((0, 2)))
    picks = pick(planted_model, empty)
    assert len(picks) == 0
    assert tuple(picks.columns) == (*COLUMNS, "junk", "score_without_junk", "threshold")
    assert picks.dtypes.equals(pick(planted_model, plant(40, CENTRES)).dtypes)


def test_an_odd_size_fades_by_the_consensus(planted_model: Model, plant: Plant) -> None:
    """A disc of twice the diameter, such as ice, loses half of its score to the size of the others."""
    micrograph = plant(40, CENTRES)
    ice = plant(80, np.array([(450.0, 360.0)]), grey=-30.0)
    both = replace(micrograph, array=np.minimum(micrograph.array, ice.array))
    picks = pick(planted_model, both)
    assert picks["accepted"].sum() == 8
    odd = picks[picks["x"].sub(450).abs().lt(5) & picks["y"].sub(360).abs().lt(5)]
    assert odd["diameter_px"].item() == pytest.approx(80, rel=0.1)
    assert not odd["accepted"].item()
    assert odd["score"].item() < 0.6 * picks.loc[picks["accepted"], "score"].min()


def test_a_micrographs_picks_depend_on_calibration_alone(planted_model: Model, plant: Plant) -> None:
    micrograph = plant(40, CENTRES)
    calibration = Calibration(unit="px", prior=SizePrior(40.0, 0.15), threshold=0.5)
    first = pick_micrograph(planted_model, micrograph, calibration, CONFIG)
    second = pick_micrograph(planted_model, micrograph, calibration, PickConfig(seed=9))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(("threshold", "accepted"), [(0.0, 3), (0.6, 2), (0.9, 1), (1.0, 0)])
def test_the_threshold_parts_accepted_from_the_rest_and_keeps_both(
    threshold: float, accepted: int, planted_model: Model
) -> None:
    """Candidates that are already known are weighed as they are; scores of 0.95, 0.73 and 0.27."""
    found = Candidates(*np.array([(10, 10, 40, 3.0), (100, 10, 40, 1.0), (200, 10, 40, -1.0)]).T)
    calibration = Calibration(unit="px", prior=SizePrior(40.0, 0.15), threshold=threshold)
    micrograph = Micrograph(np.zeros((64, 300), np.float32), None, Path("one.mrc"))
    picks = pick_micrograph(planted_model, micrograph, calibration, PickConfig(edge="0"), Sight(found))
    assert picks["x"].tolist() == [10, 100, 200]
    assert picks["accepted"].sum() == accepted


def test_a_faint_micrograph_of_a_clear_data_set_is_cut_lower_unless_the_threshold_is_given(
    planted_model: Model,
) -> None:
    """Twenty candidates that score 0.5 each, in a data set whose confident ones score 0.95."""
    places = np.arange(20) * 60.0
    found = Candidates(places, np.full(20, 30.0), np.full(20, 40.0), np.zeros(20))
    micrograph = Micrograph(np.zeros((64, 1300), np.float32), None, Path("one.mrc"))
    learnt = Calibration(unit="px", prior=SizePrior(40.0, 0.15), threshold=0.57, typical_score=0.95)
    given = replace(learnt, typical_score=None)
    faint, fixed = (
        pick_micrograph(planted_model, micrograph, one, PickConfig(edge="0"), Sight(found))
        for one in (learnt, given)
    )
    assert len(set(faint["threshold"])) == 1
    assert faint["threshold"].iloc[0] < fixed["threshold"].iloc[0] == 0.57
    assert faint["accepted"].all()
    assert not fixed["accepted"].any()


def test_picks_of_a_sure_network_have_finite_odds(planted_model: Model) -> None:
    found = Candidates(*np.array([(10.0, 10.0, 40.0, 80.0)]).T)
    calibration = Calibration(unit="px", prior=SizePrior(40.0, 0.15), threshold=0.5)
    micrograph = Micrograph(np.zeros((64, 64), np.float32), None, Path("one.mrc"))
    merit = pick_micrograph(planted_model, micrograph, calibration, CONFIG, Sight(found))["figure_of_merit"][
        0
    ]
    assert 10 < merit < 20


class ScatterNetwork(nn.Module):
    """Answers every tile with the same crowd of likely particles, wherever they lie."""

    multiple = 64

    def __init__(self, seed: int, count: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.anchors = torch.from_numpy(
            np.column_stack([rng.uniform(0, 160, (count, 2)), rng.uniform(30, 50, count)]).astype(np.float32)
        )
        self.logits = torch.from_numpy(rng.normal(1, 1, count).astype(np.float32))

    def forward(self, view: Tensor) -> Output:
        return Output(self.logits[None], torch.zeros(1, len(self.anchors), 3), self.anchors)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 60), st.integers(60, 400), st.floats(0, 60))
def test_no_two_candidates_are_nearer_than_the_distance_whatever_the_tiles(
    seed: int, count: int, side: int, distance: float
) -> None:
    config = PickConfig(
        detection=DetectConfig(tile_px=128, tile_overlap_px=64, overlap_iou=0.9),
        min_distance=Length(distance, "A"),
    )
    calibration = Calibration(unit="Å", prior=SizePrior(40.0, 0.3), threshold=0.3)
    micrograph = Micrograph(np.zeros((side, 220), np.float32), 1.0, Path("one.mrc"))
    card = ModelCard(name="", sha256="", network=NetworkConfig(), operating_point=OperatingPoint())
    cpu = DeviceChoice(torch.device("cpu"), torch.float32, "a test")
    model = Model(ScatterNetwork(seed, count), card, cpu)  # type: ignore[arg-type]
    picks = pick_micrograph(model, micrograph, calibration, config)
    if len(picks) > 1:
        assert pdist(picks[["x", "y"]]).min() >= distance * (1 - 1e-6)

"""What is learnt before picking: sample, contrast, diameter, spread, threshold, in px and in Å."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.network import Output
from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.calibrate import Calibration, calibrate
from cryopick_cli.picking.candidates import (
    Floats,
    calibrated_score,
    look,
    prepare_views,
    rank,
    unit_length,
    working_factor,
)
from cryopick_cli.picking.choice import chosen
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import ConsistencyConfig, SizePrior
from cryopick_cli.picking.cross_check import CrossCheckConfig
from cryopick_cli.picking.decoys import choose_copied
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.junk import junk_of
from cryopick_cli.picking.pick import pick_micrograph
from cryopick_cli.picking.scale import ScaleConfig
from cryopick_cli.picking.threshold import TARGETS, choose_threshold
from cryopick_cli.picking.weighing import find_mask
from cryopick_cli.settings import from_mapping, to_mapping
from cryopick_cli.units import Length

Plant = Callable[..., Micrograph]
CONFIG = PickConfig()
ANY_VIEW = ScaleConfig(smallest_side_px=64)
POINT = OperatingPoint()
CENTRES = np.array([(40.0, 45.0), (120.0, 40.0), (50.0, 110.0), (130.0, 105.0)])
PLANTED = np.array(
    [(70, 60), (200.5, 80), (330, 70.25), (450, 95), (90, 210), (240, 230), (400, 250), (130, 350)]
)
NAMES = [f"grid/mic_{i:03d}" for i in range(40)]


def find(model: Model, array: np.ndarray, diameter_px: float | None, config: PickConfig) -> Candidates:
    return look(model, prepare_views(model, array, diameter_px, config), config)


def candidates(*rows: tuple[float, float, float, float]) -> Candidates:
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Candidates(*table.T)


def weigh(
    found: Candidates,
    pixel_size: float | None,
    prior: SizePrior | None,
    point: OperatingPoint,
    config: PickConfig,
) -> tuple[Candidates, Floats]:
    kept, score = rank(found, pixel_size, prior, point, config)
    return found.select(kept), score


def test_lengths_are_compared_in_angstrom_where_they_can_be() -> None:
    assert unit_length(1.7) == 1.7
    assert unit_length(None) == 1.0


def test_calibration_speaks_of_each_micrographs_own_pixels() -> None:
    known = Calibration(unit="Å", prior=SizePrior(180.0, 0.15), threshold=0.3)
    assert known.diameter_px(1.5) == 120
    assert known.box_size_px(1.5) == 180
    assert known.diameter_px(3.0) == 60
    in_px = Calibration(unit="px", prior=SizePrior(120.0, 0.15), threshold=0.3)
    assert in_px.diameter_px(None) == 120
    nothing = Calibration(unit="px", prior=None, threshold=0.3)
    assert nothing.diameter_px(None) is None
    assert nothing.box_size_px(None) is None


def test_a_calibration_survives_the_run_record(planted_model: Model, plant: Plant) -> None:
    """A resumed run picks with what the first one has learnt, to the last digit."""
    found = calibrate(planted_model, [plant()], ["one"], CONFIG)
    assert from_mapping(Calibration, json.loads(json.dumps(to_mapping(found)))) == found
    nothing = Calibration(unit="px", prior=None, threshold=0.3)
    assert from_mapping(Calibration, json.loads(json.dumps(to_mapping(nothing)))) == nothing


@pytest.mark.parametrize("diameter", [26.0, 40.0, 58.0])
def test_diameter_is_found_in_pixels_where_no_pixel_size_is_known(
    diameter: float, planted_model: Model, plant: Plant
) -> None:
    found = calibrate(planted_model, [plant(diameter)], ["one"], CONFIG)
    assert found.unit == "px"
    assert found.prior is not None
    assert found.prior.diameter == pytest.approx(diameter, rel=0.05)
    assert found.prior.spread == CONFIG.consistency.narrowest
    assert found.estimate is not None
    assert found.estimate.diameter == pytest.approx(diameter, rel=0.08)
    assert found.micrographs == ("one",)
    assert not found.light


def test_diameter_is_found_in_angstrom_over_different_pixel_sizes(planted_model: Model, plant: Plant) -> None:
    sample = [plant(54, pixel_size=1.5), plant(27, pixel_size=3.0)]
    found = calibrate(planted_model, sample, ["one", "two"], CONFIG)
    assert found.unit == "Å"
    assert found.prior is not None
    assert found.prior.diameter == pytest.approx(81, rel=0.05)
    assert found.diameter_px(3.0) == pytest.approx(27, rel=0.05)


def test_threshold_is_learnt_or_taken_as_given(planted_model: Model, plant: Plant) -> None:
    sample = [plant(40)]
    share = planted_model.card.operating_point.threshold_share
    learnt = calibrate(planted_model, sample, ["one"], CONFIG).threshold
    # Every disc is as sure, and of the one size.
    assert learnt == pytest.approx(share * expit(3.0), rel=0.02)
    assert calibrate(planted_model, sample, ["one"], replace(CONFIG, threshold=0.7)).threshold == 0.7


@pytest.mark.parametrize(
    "values", [{"junk": "flag"}, {"junk": "drop"}, {"junk": "keep"}, {"edge": "100px"}], ids=str
)
def test_threshold_is_learnt_from_the_scores_that_it_cuts(
    values: dict[str, Any], planted_model: Model, plant: Plant
) -> None:
    """One disc lies on a third of another grain, and some are nearer than 100 px to the edge."""
    config = PickConfig(**values)
    shape = (400, 620)
    on_ice = [(100.0, 120.0), (260.0, 160.0), (420.0, 140.0), (180.0, 300.0), (400.0, 300.0)]
    micrograph = plant(30, np.array([*on_ice, (550.0, 200.0)]), shape=shape)
    coarse = plant(30, np.zeros((0, 2)), shape=shape).array * np.where(np.arange(620) < 480, 0, 2.8)
    micrograph = replace(micrograph, array=(micrograph.array + coarse).astype(np.float32))
    found = calibrate(planted_model, [micrograph], ["one"], config)
    picks = pick_micrograph(planted_model, micrograph, found, config)
    counted = picks[(picks["junk"] < 0.5) | (config.junk != "drop")]
    inside = counted["x"].between(99.5, 519.5) & counted["y"].between(99.5, 299.5)
    score = counted.loc[inside | (config.edge == "0"), "score"].to_numpy()
    assert found.threshold == pytest.approx(choose_threshold(score, POINT), rel=1e-3)
    assert found.counts == (picks["accepted"].sum(), 0)
    expected = {"flag": 5, "drop": 5, "keep": 6}[config.junk] if config.edge == "0" else 3
    assert picks["accepted"].sum() == expected


@pytest.mark.parametrize(("given", "in_px"), [(Length(44, "px"), 44.0), (Length(66, "A"), 44.0)])
def test_a_given_diameter_is_taken_and_nothing_is_searched(
    given: Length,
    in_px: float,
    planted_model: Model,
    plant: Plant,
    shapes_seen: list[tuple[int, ...]],
) -> None:
    config = PickConfig(diameter=given, contrast="dark", scale=ANY_VIEW)
    found = calibrate(planted_model, [plant(40, pixel_size=1.5)], ["one"], config)
    assert found.estimate is None
    assert found.prior is not None
    assert found.diameter_px(1.5) == pytest.approx(in_px)
    # One view, in which 44 px become the working diameter of 40: 420 x 530 become 382 x 482, padded.
    assert set(shapes_seen) == {(384, 512)}  # the micrograph and its two decoys


def test_a_given_diameter_in_angstrom_needs_a_pixel_size(planted_model: Model, plant: Plant) -> None:
    with pytest.raises(ConfigError, match="found 120 Å for a micrograph of unknown pixel size"):
        calibrate(planted_model, [plant()], ["one"], PickConfig(diameter=Length(120, "A")))


def test_a_given_diameter_holds_where_there_is_nothing_to_learn_from(
    planted_model: Model, plant: Plant
) -> None:
    empty = plant(40, np.zeros((0, 2)))
    found = calibrate(planted_model, [empty], ["one"], PickConfig(diameter=Length(50, "px")))
    assert found.prior == SizePrior(50.0, CONFIG.consistency.narrowest)


@pytest.mark.parametrize("target", TARGETS)
def test_without_candidates_nothing_is_known_and_nothing_breaks(
    planted_model: Model, plant: Plant, target: str
) -> None:
    config = replace(CONFIG, target=target)
    found = calibrate(planted_model, [plant(40, np.zeros((0, 2)))], ["one"], config)
    assert found.prior is None
    assert found.estimate is None
    assert found.threshold == planted_model.card.operating_point.empty_threshold


@pytest.mark.parametrize("array", [np.zeros((64, 90)), np.full((40, 4000), 7.0)], ids=["blank", "strip"])
def test_odd_micrographs_can_be_calibrated_on(array: np.ndarray, planted_model: Model, plant: Plant) -> None:
    micrograph = replace(plant(), array=array.astype(np.float32))
    assert calibrate(planted_model, [micrograph], ["one"], CONFIG).prior is None


def test_contrast_is_found(planted_model: Model, plant: Plant) -> None:
    light = calibrate(planted_model, [plant(40, grey=30.0)], ["one"], CONFIG)
    assert light.light
    assert light.prior is not None
    assert light.prior.diameter == pytest.approx(40, rel=0.05)
    assert not calibrate(planted_model, [plant(40, grey=-30.0)], ["one"], CONFIG).light


def test_contrast_is_taken_as_given(planted_model: Model, plant: Plant) -> None:
    light = plant(40, grey=30.0)
    assert calibrate(planted_model, [light], ["one"], PickConfig(contrast="dark")).prior is None
    assert calibrate(planted_model, [light], ["one"], PickConfig(contrast="light")).prior is not None


def test_candidates_are_found_at_the_scale_of_the_particle(
    planted_model: Model, plant: Plant, shapes_seen: list[tuple[int, ...]]
) -> None:
    array, config = plant(60).array, replace(CONFIG, scale=ANY_VIEW)
    found = find(planted_model, array, 60.0, config)
    assert len(found.x) == 8
    assert np.median(found.diameter) == pytest.approx(60, rel=0.05)
    find(planted_model, array, 5.0, config)
    find(planted_model, array, None, config)
    # 60 to 40 px; enlarged twice and no more, though 5 px would ask for eight times; the middle short side.
    # Each is looked at twice, as it is and turned.
    assert shapes_seen == [shape for shape in [(320, 384), (896, 1088), (768, 1024)] for _ in range(2)]


@pytest.mark.parametrize(
    ("shape", "diameter", "quality", "factor"),
    [
        ((4096, 4096), 160.0, "normal", 4.0),
        ((4096, 5760), 800.0, "normal", 8.0),  # 40 px would leave a view of 205 px
        ((4096, 5760), 800.0, "fast", 8.0),
        ((300, 400), 80.0, "normal", 1.0),  # small already: neither reduced nor enlarged
        ((300, 400), 20.0, "normal", 0.5),
        ((1024, 1024), 480.0, "normal", 3.0),  # the network knows particles up to 200 px
    ],
)
def test_large_particles_keep_surroundings_in_view(
    planted_model: Model, shape: tuple[int, int], diameter: float, quality: str, factor: float
) -> None:
    config = replace(CONFIG, quality=quality)
    assert working_factor(planted_model, shape, diameter, config) == pytest.approx(factor)


def test_scores_are_calibrated_by_the_card() -> None:
    point = OperatingPoint(temperature=2.0, offset=-0.5)
    assert calibrated_score(np.array([3.0]), point)[0] == pytest.approx(expit(3.0 / 2.0 - 0.5))


def test_weighing_multiplies_score_and_size() -> None:
    prior = SizePrior(40.0, 0.2, least_factor=0.0)
    found = candidates((10, 10, 40, 2.0), (100, 10, 40 * np.exp(0.2), 2.0), (200, 10, 120, 2.0))
    kept, score = weigh(found, None, prior, POINT, CONFIG)
    assert kept.x.tolist() == [10, 100]  # the third falls below the floor
    assert score.tolist() == pytest.approx([expit(2.0), expit(2.0) * np.exp(-0.5)])


def test_weighing_compares_sizes_in_angstrom() -> None:
    prior = SizePrior(80.0, 0.2)
    _, score = weigh(candidates((10, 10, 40, 2.0)), 2.0, prior, POINT, CONFIG)
    assert score.tolist() == pytest.approx([expit(2.0)])


def test_candidates_nearer_than_half_a_diameter_are_one_particle() -> None:
    found = candidates((10, 10, 40, 2.0), (29, 10, 40, 1.0), (60, 10, 40, 1.0), (81, 10, 40, 0.0))
    prior = SizePrior(40.0, 0.2)
    assert weigh(found, None, prior, POINT, CONFIG)[0].x.tolist() == [10, 60, 81]
    assert weigh(found, None, None, POINT, CONFIG)[0].x.tolist() == [10, 60, 81]


def test_smallest_distance_has_a_unit() -> None:
    found = candidates((10, 10, 40, 2.0), (35, 10, 40, 1.0), (100, 10, 40, 0.0))
    prior = SizePrior(80.0, 0.2)
    apart = {
        text: weigh(found, 2.0, prior, POINT, PickConfig(min_distance=Length.parse(text, "A")))[0].x.tolist()
        for text in ("0", "49", "51A", "26px")
    }
    assert apart == {"0": [10, 35, 100], "49": [10, 35, 100], "51A": [10, 100], "26px": [10, 100]}


def test_smallest_distance_needs_a_pixel_size() -> None:
    with pytest.raises(ConfigError, match="unknown pixel size"):
        weigh(candidates((10, 10, 40, 2.0)), None, None, POINT, PickConfig(min_distance=Length(50, "A")))


def test_weighing_nothing_gives_nothing() -> None:
    kept, score = weigh(candidates(), None, SizePrior(40.0, 0.2), POINT, CONFIG)
    assert len(kept.x) == len(score) == 0


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"threshold": 1.5}, r"--threshold: found 1\.5, expected auto or a number from 0 to 1"),
        ({"threshold": float("nan")}, "--threshold: found nan"),
        ({"contrast": "grey"}, "--contrast: found 'grey', expected auto, dark or light"),
        ({"calibration_micrographs": 0}, "--calibration-micrographs: found 0"),
    ],
)
def test_settings_without_meaning_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        PickConfig(**values)


@pytest.mark.parametrize("form", ["auto", "soft", "hard", "off"])
def test_every_size_prior_finds_the_diameter(form: str, planted_model: Model, plant: Plant) -> None:
    found = calibrate(planted_model, [plant(40.0)], ["one"], PickConfig(size_prior=form))
    assert found.prior is not None
    assert found.prior.diameter == pytest.approx(40.0, rel=0.05)
    twice = found.prior.factor(np.array([2 * found.prior.diameter]))[0]
    assert {"hard": twice == 0, "off": twice == 1}.get(form, 0.5 < twice < 0.65)
    assert found.prior.second is None
    assert found.counts[1] == 0


@pytest.mark.parametrize("name", ["size_prior", "target", "junk"])
def test_unknown_words_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"--{name.replace('_', '-')}: found 'maybe', expected"):
        PickConfig(**{name: "maybe"})


def test_decoys_tell_how_many_picks_are_false(planted_model: Model, plant: Plant) -> None:
    """The planted model sees dark squares: there are none in inverted copies or in noise."""
    found = calibrate(planted_model, [plant(40.0)], ["one"], CONFIG)
    assert found.false_discovery_rate == 0
    assert not found.seems_empty
    assert found.evidence is not None
    assert found.evidence.typical_score == found.typical_score
    assert found.evidence.strength > 0.5
    assert found.curve[0].picks >= found.curve[-1].picks
    assert found.counts[0] > 0


def test_decoys_are_made_of_micrographs_spread_over_the_sample() -> None:
    sample = chosen(NAMES, CONFIG.calibration_micrographs, CONFIG.seed)
    copied = choose_copied(sample, CONFIG)
    assert len(copied) == 4
    assert set(copied) < set(sample)
    assert copied != sample[:4]
    assert choose_copied(reversed(sample), CONFIG) == copied
    assert choose_copied(sample, PickConfig(seed=1)) != copied
    averaged = choose_copied(sample, PickConfig(quality="best"))
    assert len(averaged) == 1
    assert set(averaged) < set(copied)


def test_averaging_looks_often_at_what_is_scored_and_once_where_diameter_and_contrast_are_searched(
    planted_model: Model, plant: Plant, shapes_seen: list[tuple[int, ...]]
) -> None:
    sample = [plant(40.0, shape=(150, 180), centres=CENTRES) for _ in range(3)]
    looks = {}
    for quality in ("fast", "normal", "best"):
        shapes_seen.clear()
        calibrate(planted_model, sample, ["one", "two", "three"], PickConfig(quality=quality))
        looks[quality] = len(shapes_seen)
    searched = looks["fast"] - 3 - 2 * 3  # of three micrographs, and of two decoys of each
    assert looks["normal"] == searched + 2 * 3 + 2 * 2 * 3
    assert looks["best"] == searched + 24 * 3 + 24 * 2


def test_the_same_micrograph_gives_the_same_decoys(planted_model: Model, plant: Plant) -> None:
    micrograph = plant(40.0)
    one = calibrate(planted_model, [micrograph], ["one"], CONFIG)
    assert calibrate(planted_model, [micrograph], ["one"], CONFIG) == one


def test_what_fades_takes_no_better_neighbour_with_it() -> None:
    """A candidate on junk scores higher, and lower once it has faded: the clean one beside it stays."""
    found = candidates((50, 50, 40, 2.0), (58, 50, 40, 1.0))
    fade = np.array([0.2, 1.0])
    assert rank(found, None, SizePrior(40.0, 0.28), POINT, CONFIG)[0].tolist() == [0]
    kept, score = rank(found, None, SizePrior(40.0, 0.28), POINT, CONFIG, fade)
    assert kept.tolist() == [1]
    assert score.tolist() == pytest.approx([expit(1.0)])
    alone = candidates((50, 50, 40, -1.0))  # 0.27, and 0.05 once it has faded, which is kept all the same
    assert rank(alone, None, SizePrior(40.0, 0.28), POINT, CONFIG, np.array([0.15]))[0].tolist() == [0]


def test_the_diameter_has_a_second_opinion(planted_model: Model, plant: Plant) -> None:
    config = replace(CONFIG, cross_check=CrossCheckConfig(fewest_picks=4, reach=1.2))
    found = calibrate(planted_model, [plant(40, pixel_size=2.0)] * 2, ["one", "two"], config)
    assert found.prior is not None
    assert found.scale_space_diameter == pytest.approx(found.prior.diameter, rel=0.15)
    assert not found.sizes_differ(config.cross_check)
    assert replace(found, scale_space_diameter=0.4 * found.prior.diameter).sizes_differ(config.cross_check)
    assert replace(found, scale_space_diameter=2.5 * found.prior.diameter).sizes_differ(config.cross_check)
    assert not replace(found, scale_space_diameter=None).sizes_differ(config.cross_check)


def test_the_mean_particle_is_learnt_where_enough_are_seen(planted_model: Model, plant: Plant) -> None:
    few = calibrate(planted_model, [plant(40)], ["one"], CONFIG)
    assert few.mean_particle is None
    found = calibrate(planted_model, [plant(40), plant(40)], ["one", "two"], CONFIG)
    assert found.mean_particle is not None
    middle, outside = found.mean_particle.profile[:12], found.mean_particle.profile[-4:]
    assert max(middle) < -4, "discs are clipped at -6"
    assert min(outside) > -0.5
    assert from_mapping(Calibration, json.loads(json.dumps(to_mapping(found)))) == found


@pytest.mark.parametrize("quality", ["fast", "normal", "best"])
@pytest.mark.parametrize("pixel_size", [None, 2.0])
def test_picks_are_centred_on_the_mean_particle(
    quality: str,
    pixel_size: float | None,
    planted_model: Model,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network that sees the particles of the right half of its view too far to the right, and so on.

    Turned looks see a particle too far outwards as well, so averaging them does not even it out.
    """
    sample = [plant(40, pixel_size=pixel_size) for _ in range(2)]
    config = PickConfig(quality=quality)
    found = calibrate(planted_model, sample, ["one", "two"], config)
    right = type(planted_model.network).forward
    monkeypatch.setattr(
        type(planted_model.network), "forward", lambda self, view: _outwards(right(self, view), view)
    )

    def error(calibration: Calibration) -> Floats:
        picks = pick_micrograph(planted_model, sample[0], calibration, config)
        apart = np.hypot(*(picks[["x", "y"]].to_numpy()[:, None] - PLANTED).transpose(2, 0, 1))
        return np.asarray(apart.min(axis=0))

    assert np.median(error(replace(found, mean_particle=None))) > 1.0
    assert np.median(error(found)) < 0.3


def _outwards(output: Output, view: torch.Tensor) -> Output:
    """Move what is found by 1 px away from the middle, along both sides."""
    middle = torch.tensor([view.shape[-1], view.shape[-2]]) / 2
    shift = torch.nn.functional.pad(torch.sign(output.anchors[:, :2] - middle), (0, 1))
    return output._replace(anchors=output.anchors + shift)


@pytest.mark.parametrize(
    "changed",
    [{"threshold": 0.99}, {"min_distance": Length(5, "px")}, {"edge": "auto"}, {"target": "recall"}],
)
def test_places_do_not_depend_on_how_picks_are_cut(
    changed: dict[str, Any], planted_model: Model, plant: Plant
) -> None:
    """So that a run with another threshold and a cut of the run have the same places."""
    sample = [plant(40), plant(40)]

    def places(config: PickConfig) -> list[list[float]]:
        found = calibrate(planted_model, sample, ["one", "two"], config)
        assert found.mean_particle is not None
        picks = pick_micrograph(planted_model, sample[0], found, config)
        return sorted(picks[["x", "y"]].to_numpy().tolist())

    assert places(replace(CONFIG, **changed)) == places(CONFIG)


@pytest.mark.parametrize(("first", "second"), [(30.0, 90.0), (90.0, 30.0)])
def test_particles_of_the_larger_size_are_no_junk(first: float, second: float, plant: Plant) -> None:
    """A dark disc of 90 px is a blob of dirt among particles of 30 px, but not where there are both."""
    discs = plant(90, np.array([[120.0, 120.0], [360.0, 260.0]]), grey=-60.0)
    micrograph = replace(discs, array=discs.array + plant(30, PLANTED[2:6]).array)
    config = replace(CONFIG, contrast="dark")

    def share(prior: SizePrior) -> float:
        mask = find_mask(micrograph, prior, config, light=False)
        assert mask is not None
        return float(junk_of(mask, np.array([120.0]), np.array([120.0]), np.array([90.0]))[0])

    assert share(SizePrior(30.0, 0.28)) > 0.9
    assert share(SizePrior(first, 0.28, second=second)) == 0


def test_micrographs_without_particles_do_not_stand_in_for_those_with_some(
    planted_model: Model, plant: Plant
) -> None:
    empty = [plant(40, centres=np.zeros((0, 2))) for _ in range(CONFIG.cross_check.micrographs)]
    names = [f"a{index}" for index in range(len(empty))] + ["b", "c"]
    found = calibrate(planted_model, [*empty, plant(40), plant(40)], names, CONFIG)
    assert found.mean_particle is not None


@pytest.mark.parametrize(("step", "spacing"), [(0.6, 0.3), (1.0, 0.5)])
def test_where_picks_overlap_nearer_ones_are_kept_too(
    planted_model: Model,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
    step: float,
    spacing: float,
) -> None:
    grid = 60 + 40 * step * np.mgrid[:3, :3].reshape(2, -1).T
    rows = [(x, y, 40.0, 4.0) for x, y in grid] + [(x + 14.0, y, 40.0, 2.0) for x, y in grid]
    found = candidates(*rows)
    monkeypatch.setattr("cryopick_cli.picking.calibrate.look", lambda *_, **__: found)
    few = ConsistencyConfig(crowded_fewest=9)
    config, micrograph = replace(CONFIG, junk="keep", consistency=few), plant(40)
    calibration = calibrate(planted_model, [micrograph], ["one"], config)
    assert calibration.prior is not None
    assert calibration.prior.spacing == spacing
    picks, _ = rank(found, None, calibration.prior, POINT, config)
    assert (len(picks) > 9) == (spacing < 0.5)
    usual = calibrate(planted_model, [micrograph], ["one"], replace(CONFIG, junk="keep"))
    assert usual.prior is not None
    assert usual.prior.spacing == 0.5  # too few picks to speak of overlap

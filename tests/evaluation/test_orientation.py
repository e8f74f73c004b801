"""Coordinates in every wrong frame: found out against micrographs and against other coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.evaluation.orientation import (
    AS_GIVEN,
    Finding,
    Frame,
    OrientationConfig,
    OrientationReport,
    Verdict,
    frames_to_try,
    refuse_mismatch,
)
from cryopick_cli.evaluation.orientation_micrographs import check_on_micrographs, choose_micrographs
from cryopick_cli.evaluation.orientation_reference import check_on_reference, refuse_other_frame
from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates

SHAPE = (300, 420)
DIAMETER = 16
BOX = 40
# What was done to right coordinates, and the frame that must be found.
FAULTS = {
    "y flipped": TransformConfig(flip_y=True),
    "x flipped": TransformConfig(flip_x=True),
    "x and y flipped": TransformConfig(flip_x=True, flip_y=True),
    "in pixels 2 times as large": TransformConfig(scale=0.5),
    "in pixels 4 times as large": TransformConfig(scale=0.25),
    "in pixels 3 times as small": TransformConfig(scale=3.0),
    "in pixels 4 times as large, y flipped": TransformConfig(flip_y=True),
    "corners of boxes, not centres": TransformConfig(shift=(-BOX / 2, -BOX / 2)),
    "half a box too far, as centres taken for corners": TransformConfig(shift=(BOX / 2, BOX / 2)),
}


def field(seed: int, count: int = 40) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Make coordinates apart from each other, and a noisy micrograph with dark disks there."""
    rng = np.random.default_rng(seed)
    centres: list[NDArray[np.float64]] = []
    while len(centres) < count:
        new = rng.uniform((25, 25), (SHAPE[1] - 26, SHAPE[0] - 26))
        if all(np.hypot(*(new - old)) > 1.5 * DIAMETER for old in centres):
            centres.append(new)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disks = sum(np.hypot(x - cx, y - cy) <= DIAMETER / 2 for cx, cy in centres)
    array = rng.normal(0, 1, SHAPE) - 0.8 * np.asarray(disks)
    array[:40, :60] += 30  # an edge of the support film: stands out more than any particle
    xs, ys = np.transpose(centres)
    return make_coordinates(xs, ys, diameter_px=DIAMETER), array.astype(np.float32)


@pytest.fixture(scope="module")
def fields() -> dict[str, tuple[pd.DataFrame, NDArray[np.float32]]]:
    return {f"m{seed}": field(seed) for seed in range(4)}


def spoiled(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put right coordinates into the frame of this name."""
    table = transform_coordinates(table, FAULTS[name], shape=SHAPE)
    if name == "in pixels 4 times as large, y flipped":
        table = transform_coordinates(table, TransformConfig(scale=0.25))
    return table


def on_micrographs(
    fields: dict[str, tuple[pd.DataFrame, NDArray[np.float32]]],
    tables: dict[str, pd.DataFrame],
    **settings: float,
) -> OrientationReport:
    micrographs = ((name, array) for name, (_, array) in fields.items())
    return check_on_micrographs(tables, micrographs, OrientationConfig(box_size_px=BOX, **settings))


def test_right_coordinates_fit_their_micrographs(fields) -> None:
    report = on_micrographs(fields, {name: table for name, (table, _) in fields.items()})
    assert report.verdict is Verdict.FITS
    assert report.best.frame is AS_GIVEN
    assert report.best.evidence > 10
    assert report.findings[1].evidence < 5
    assert report.message().startswith("the coordinates fit as they are (160 coordinates on 4 micrographs")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found_on_the_micrographs(fields, fault: str) -> None:
    report = on_micrographs(fields, {name: spoiled(table, fault) for name, (table, _) in fields.items()})
    assert report.verdict is Verdict.MISMATCH
    assert report.best.frame.name == fault
    assert f"they are {fault}" in report.message()


@pytest.mark.parametrize("fault", ["y flipped", "in pixels 4 times as large"])
def test_the_diameter_need_not_be_known(fields, fault: str) -> None:
    tables = {name: spoiled(table, fault).assign(diameter_px=np.nan) for name, (table, _) in fields.items()}
    report = on_micrographs(fields, tables)
    assert (report.verdict, report.best.frame.name) == (Verdict.MISMATCH, fault)


def test_light_particles_count_as_dark_ones(fields) -> None:
    light = {name: (table, -array) for name, (table, array) in fields.items()}
    tables = {name: spoiled(table, "y flipped") for name, (table, _) in fields.items()}
    assert on_micrographs(light, tables).best.frame.name == "y flipped"


def test_places_at_random_give_no_verdict(fields, rng: np.random.Generator) -> None:
    tables = {
        name: make_coordinates(rng.uniform(0, 419, 60), rng.uniform(0, 299, 60), diameter_px=DIAMETER)
        for name in fields
    }
    report = on_micrographs(fields, tables)
    assert report.verdict is Verdict.UNSURE
    assert report.best.evidence < 5
    assert "it cannot be told" in report.message()


def test_a_blank_micrograph_gives_no_verdict() -> None:
    table, array = field(1)
    report = on_micrographs({"m": (table, np.zeros_like(array))}, {"m": table})
    assert report.verdict is Verdict.UNSURE


def test_pixels_that_are_no_numbers_do_not_matter(fields) -> None:
    table, array = fields["m0"]
    holed = array.copy()
    holed[100:103] = np.nan
    assert on_micrographs({"m0": (table, holed)}, {"m0": table}).verdict is Verdict.FITS


def test_coordinates_outside_are_no_evidence(fields) -> None:
    tables = {
        name: transform_coordinates(table, TransformConfig(scale=3.0)) for name, (table, _) in fields.items()
    }
    report = on_micrographs(fields, tables)
    assert report.as_given.evidence == 0.0
    assert report.as_given.share < 0.5


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("with_shapes", [True, False])
def test_every_fault_is_found_on_other_coordinates(fields, fault: str, with_shapes: bool) -> None:
    reference = {name: table for name, (table, _) in fields.items()}
    picks = {name: noisy(spoiled(table, fault)) for name, table in reference.items()}
    report = check_on_reference(picks, reference, None, dict.fromkeys(picks, SHAPE) if with_shapes else None)
    assert report.verdict is Verdict.MISMATCH
    shift = {
        "corners of boxes, not centres": 20,
        "half a box too far, as centres taken for corners": -20,
    }.get(fault)
    if shift is None:
        assert report.best.frame.name == fault
    else:
        assert report.best.frame is AS_GIVEN
        assert report.best.offset == pytest.approx((shift, shift), abs=1)
        assert f"--shift {report.best.offset[0]:.0f}" in report.message()


def noisy(table: pd.DataFrame) -> pd.DataFrame:
    """Lose a third of the picks, add as many false ones, and move the rest a little."""
    rng = np.random.default_rng(len(table))
    kept = table.sample(frac=0.67, random_state=1)
    extent = float(table[["x", "y"]].to_numpy().max())
    x = np.concatenate([kept["x"] + rng.normal(0, 0.3, len(kept)), rng.uniform(0, extent, 13)])
    y = np.concatenate([kept["y"] + rng.normal(0, 0.3, len(kept)), rng.uniform(0, extent, 13)])
    return make_coordinates(x, y, diameter_px=DIAMETER)


def test_right_coordinates_fit_others(fields) -> None:
    reference = {name: table for name, (table, _) in fields.items()}
    report = check_on_reference({name: noisy(table) for name, table in reference.items()}, reference)
    assert report.verdict is Verdict.FITS
    assert report.best.offset == (0.0, 0.0)
    assert report.best.share > 0.6


def test_random_coordinates_fit_no_others(fields, rng: np.random.Generator) -> None:
    reference = {name: table for name, (table, _) in fields.items()}
    picks = {name: make_coordinates(rng.uniform(0, 419, 40), rng.uniform(0, 299, 40)) for name in reference}
    assert check_on_reference(picks, reference).verdict is Verdict.UNSURE


def test_nothing_to_compare_is_an_input_error() -> None:
    table, array = field(0)
    with pytest.raises(InputError, match="no micrograph has coordinates"):
        check_on_micrographs({"m": table.iloc[:0]}, [("m", array)])
    with pytest.raises(InputError, match="coordinates in both"):
        check_on_reference({"a": table}, {"b": table})


def test_micrographs_with_most_coordinates_are_chosen() -> None:
    tables = {
        name: make_coordinates(range(count), range(count))
        for name, count in {"a": 1, "b": 3, "c": 0, "d": 2}.items()
    }
    assert choose_micrographs(tables, OrientationConfig(most_micrographs=2)) == ["b", "d"]
    assert choose_micrographs(tables, OrientationConfig()) == ["b", "d", "a"]


@pytest.mark.parametrize("frame", frames_to_try(BOX), ids=lambda frame: frame.name)
def test_the_cure_does_what_the_frame_says(frame: Frame) -> None:
    words = frame.cure.split()
    settings: dict[str, object] = {
        word[2:].replace("-", "_"): True for word in words if word.startswith("--")
    }
    if "--scale" in words:
        settings["scale"] = float(words[words.index("--scale") + 1])
    if "--shift" in words:
        at = words.index("--shift")
        settings["shift"] = (float(words[at + 1]), float(words[at + 2]))
    cured = transform_coordinates(
        make_coordinates([30, 7], [50, 11]), TransformConfig(**settings), shape=SHAPE
    )
    moved = frame.apply(np.array([[30.0, 50.0], [7.0, 11.0]]), SHAPE)
    np.testing.assert_allclose(cured[["x", "y"]].to_numpy(), moved, atol=1e-3)


@pytest.mark.parametrize(
    "settings", [{"most_micrographs": 0}, {"sure": 0.0}, {"diameter_px": -1.0}, {"box_size_px": 0.0}]
)
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        OrientationConfig(**settings)


@pytest.mark.slow
@pytest.mark.parametrize(("flip", "verdict"), [(False, Verdict.FITS), (True, Verdict.MISMATCH)])
def test_real_micrographs(shared_data: Path, flip: bool, verdict: Verdict) -> None:
    from cryopick_cli.formats.collection import read_collection
    from cryopick_cli.formats.micrograph import read_micrograph

    folder = shared_data / "micrographs" / "klh" / "far_from_focus"
    tables = read_collection([folder / "coordinates"])
    chosen = choose_micrographs(tables, OrientationConfig(most_micrographs=3))
    arrays = {name: read_micrograph(folder / "images" / f"{name}.jpg").array for name in chosen}
    given = {
        name: transform_coordinates(tables[name], TransformConfig(flip_y=flip), shape=array.shape)
        for name, array in arrays.items()
    }
    report = check_on_micrographs(given, arrays.items())
    assert report.verdict is verdict
    assert report.best.frame.name == ("y flipped" if flip else "as given")


def a_report(verdict: Verdict, *findings: Finding) -> OrientationReport:
    return OrientationReport(findings=findings, verdict=verdict, micrographs=2, coordinates=80)


GIVEN = Finding(frame=AS_GIVEN, evidence=1.0, share=1.0)
FLIPPED = Finding(frame=Frame(name="y flipped", flip_y=True), evidence=20.0, share=1.0)


def test_only_a_sure_mismatch_stops() -> None:
    refuse_mismatch(a_report(Verdict.FITS, GIVEN, FLIPPED), "picks", "mics")
    refuse_mismatch(a_report(Verdict.UNSURE, FLIPPED, GIVEN), "picks", "mics")
    with pytest.raises(InputError) as error:
        refuse_mismatch(a_report(Verdict.MISMATCH, FLIPPED, GIVEN), "picks", "mics")
    assert str(error.value) == (
        "picks: found coordinates that are y flipped, expected centres in px of mics, y down the stored rows "
        "(80 compared on 2 micrographs; evidence 20.0, as given 1.0); cryopick convert --flip-y puts it "
        "right, --no-check goes on all the same"
    )


def test_a_shift_up_to_the_tolerated_one_passes_and_a_mirrored_frame_never() -> None:
    shifted = Finding(frame=AS_GIVEN, evidence=20.0, share=1.0, offset=(3.0, 4.0))
    report = a_report(Verdict.MISMATCH, shifted)
    refuse_mismatch(report, "picks", "mics", tolerated_shift_px=5.0)
    with pytest.raises(InputError, match="shifted by 3, 4 px"):
        refuse_mismatch(report, "picks", "mics", tolerated_shift_px=4.9)
    with pytest.raises(InputError, match="y flipped"):
        refuse_mismatch(a_report(Verdict.MISMATCH, FLIPPED, GIVEN), "picks", "mics", tolerated_shift_px=99)


def test_what_cannot_be_compared_is_not_refused() -> None:
    some, none = make_coordinates([1.0], [2.0]), make_coordinates([], [])
    assert refuse_other_frame({"m": none}, {"m": some}, ("picks", "reference")) is None
    assert refuse_other_frame({"m": some}, {"m": none}, ("picks", "reference")) is None
    assert refuse_other_frame({"m": some}, {"n": some}, ("picks", "reference")) is None
    assert refuse_other_frame({}, {"n": some}, ("picks", "reference")) is None

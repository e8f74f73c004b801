"""Moving coordinates: each step alone, their order, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates

SHAPE = (300, 420)


def moved(x: float, y: float, **settings: object) -> tuple[float, float]:
    table = transform_coordinates(make_coordinates([x], [y]), TransformConfig(**settings), shape=SHAPE)
    return float(table.loc[0, "x"]), float(table.loc[0, "y"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (10.0, 20.0)),
        ({"swap_xy": True}, (20.0, 10.0)),
        ({"scale": 2.0}, (20.5, 40.5)),  # the middle of pixel 10 is the middle of pixels 20 and 21
        ({"scale": 0.5}, (4.75, 9.75)),
        ({"shift": (-3.0, 5.5)}, (7.0, 25.5)),
        ({"flip_x": True}, (409.0, 20.0)),
        ({"flip_y": True}, (10.0, 279.0)),
        ({"swap_xy": True, "shift": (1.0, 0.0), "flip_y": True}, (21.0, 289.0)),
    ],
)
def test_each_step(settings: dict[str, object], expected: tuple[float, float]) -> None:
    assert moved(10.0, 20.0, **settings) == expected


def test_sizes_grow_with_the_scale() -> None:
    table = make_coordinates([10], [10], diameter_px=90, diameter_A=180, box_size_px=128)
    scaled = transform_coordinates(table, TransformConfig(scale=2.0))
    assert scaled.loc[0, ["diameter_px", "diameter_A", "box_size_px"]].tolist() == [180, 180, 256]


coordinate = st.floats(0, 400)


@given(x=coordinate, y=coordinate, scale=st.sampled_from([0.25, 0.5, 2.0, 3.0]), flip=st.booleans())
def test_there_and_back(x: float, y: float, scale: float, flip: bool) -> None:
    there = transform_coordinates(make_coordinates([x], [y]), TransformConfig(scale=scale))
    back = transform_coordinates(there, TransformConfig(scale=1 / scale))
    assert back.loc[0, ["x", "y"]].tolist() == pytest.approx([x, y], abs=1e-9)
    mirror = TransformConfig(flip_y=flip, flip_x=not flip)
    once = transform_coordinates(make_coordinates([x], [y]), mirror, shape=SHAPE)
    assert transform_coordinates(once, mirror, shape=SHAPE).loc[0, ["x", "y"]].tolist() == pytest.approx(
        [x, y]
    )


def test_a_threshold_decides_anew_by_score_else_by_merit() -> None:
    table = make_coordinates([1, 2, 3], [0, 0, 0], score=[0.1, 0.5, 0.9], accepted=[True, False, True])
    kept = transform_coordinates(table, TransformConfig(threshold=0.5))
    assert kept["x"].tolist() == [2, 3]
    assert kept["accepted"].all()
    merits = make_coordinates([1, 2], [0, 0], figure_of_merit=[-2.0, 3.0])
    assert transform_coordinates(merits, TransformConfig(threshold=0.0))["x"].tolist() == [2]


def test_a_threshold_needs_a_rating_for_every_row() -> None:
    table = make_coordinates([1, 2], [0, 0], score=[0.5, np.nan])
    with pytest.raises(InputError, match="m1: found 1 of 2 coordinates without a score"):
        transform_coordinates(table, TransformConfig(threshold=0.5), where="m1")


def test_mirroring_needs_the_size() -> None:
    with pytest.raises(InputError, match="give --micrographs"):
        transform_coordinates(make_coordinates([1], [1]), TransformConfig(flip_y=True))


@pytest.mark.parametrize(
    "settings", [{"scale": 0.0}, {"scale": float("nan")}, {"shift": (float("inf"), 0.0)}]
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        TransformConfig(**settings)

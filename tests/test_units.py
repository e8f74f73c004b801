"""Lengths, the pixel-centre rule and box sizes, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryopick_cli.errors import ConfigError
from cryopick_cli.units import (
    Length,
    parse_pixel_size,
    rescale_coordinate,
    round_to_even,
    suggest_box_size,
    to_angstrom,
    to_px,
)


def test_lengths_convert_both_ways() -> None:
    assert to_px(120.0, 1.5) == 80.0
    assert to_angstrom(80.0, 1.5) == 120.0


@pytest.mark.parametrize(
    ("coordinate", "factor", "expected"),
    [
        (
            0.0,
            2.0,
            -0.25,
        ),  # the first pixel's centre lies a quarter of a large pixel before the first large one
        (0.5, 2.0, 0.0),  # the first large pixel's centre lies between the first two small ones
        (7.5, 4.0, 1.5),
        (-0.5, 3.7, -0.5),  # the outer edge stays
        (99.5, 2.5, 39.5),  # and so does the one on the other side: 100 px become 40
        (1.0, 0.5, 2.5),  # smaller pixels
    ],
)
def test_coordinates_keep_the_outer_edges_when_pixels_grow(
    coordinate: float, factor: float, expected: float
) -> None:
    assert rescale_coordinate(coordinate, factor) == pytest.approx(expected)


def test_coordinates_rescale_as_arrays() -> None:
    moved = rescale_coordinate(np.array([0.5, 2.5, 4.5]), 2.0)
    np.testing.assert_allclose(moved, [0.0, 1.0, 2.0])


@given(st.floats(-1e4, 1e4), st.floats(0.1, 10))
def test_rescaling_there_and_back_is_exact_to_a_billionth(coordinate: float, factor: float) -> None:
    there = rescale_coordinate(coordinate, factor)
    assert rescale_coordinate(there, 1 / factor) == pytest.approx(coordinate, abs=1e-9, rel=1e-9)


@pytest.mark.parametrize(
    ("length", "even"), [(0.0, 0), (0.1, 2), (2.0, 2), (2.0001, 4), (3, 4), (255.9, 256)]
)
def test_rounds_up_to_even(length: float, even: int) -> None:
    assert round_to_even(length) == even


def test_rounding_forgives_the_noise_of_floating_point() -> None:
    assert round_to_even(0.1 * 3 * 10 / 1.5 * 1.0) == 2  # 2.0000000000000004


@pytest.mark.parametrize(
    ("diameter", "box"),
    [
        (120, 180),  # 180 = 2² 3² 5
        (130, 200),  # 195 -> 196 = 2² 7² is slow, 198 has an 11, 200 = 2³ 5²
        (90, 144),  # 135 -> 136 has a 17, 138 a 23, 140 a 7, 142 a 71, 144 = 2⁴ 3²
        (16.4, 30),  # 24.6 -> 26 has a 13, 28 a 7, 30 = 2 3 5
        (1, 2),
    ],
)
def test_box_is_even_large_enough_and_fast(diameter: float, box: int) -> None:
    assert suggest_box_size(diameter) == box


@given(st.floats(1, 2000))
def test_boxes_have_no_prime_factor_above_five_and_waste_little(diameter: float) -> None:
    box = suggest_box_size(diameter)
    assert 1.5 * diameter - 1e-6 <= box <= 1.5 * diameter * 1.15 + 4
    assert box % 2 == 0
    rest = box
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("120A", 120, "A"),
        ("120Å", 120, "A"),
        ("120\u212b", 120, "A"),  # the ångström sign looks the same and comes from copied text
        (" 90 px ", 90, "px"),
        ("90PX", 90, "px"),
        ("120A\u030a", 120, "A"),  # A and a ring
        ("120 angstrom", 120, "A"),
        ("120Ångström", 120, "A"),
        ("120 ANGSTROMS", 120, "A"),
        ("12.5a", 12.5, "A"),
        (".5px", 0.5, "px"),
    ],
)
def test_lengths_are_read_with_their_unit(text: str, value: float, unit: str) -> None:
    assert Length.parse(text) == Length(value, unit)


def test_a_bare_number_has_the_unit_of_its_option_and_may_be_nought() -> None:
    assert Length.parse("60", "A") == Length(60, "A")
    assert Length.parse("0", "px") == Length(0, "px")
    assert Length.parse("60px", "A") == Length(60, "px")
    for text in ("0A", "-1", "nan"):
        with pytest.raises(ConfigError, match="expected a positive number with its unit"):
            Length.parse(text, "A")


@pytest.mark.parametrize(
    "text", ["120", "A", "", "-5px", "0A", "0.0px", "12nm", "1e3A", "120 A px", "120 angst", "auto", "nanA"]
)
def test_lengths_without_unit_or_size_are_refused_by_name(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"expected a positive number with its unit, like 120A or 90px"
    ) as error:
        Length.parse(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4.4", 4.4),
        ("4.4A", 4.4),
        ("4.4 Å", 4.4),
        ("4.4\u212b", 4.4),
        ("4.4 A\u030a", 4.4),
        ("4.4 a\u030a/px", 4.4),
        ("4.4a/px", 4.4),
        ("4.4 A/px", 4.4),
        ("4.4 angstrom", 4.4),
        ("4.4 Angstroms", 4.4),
        ("4.4 \u212bngstro\u0308m / px", 4.4),
        ("4.4ÅNGSTRÖM", 4.4),
        ("4.4 Å / pixel", 4.4),
        (".885 A/pix", 0.885),
        ("1.", 1),
        ("1.06e+00", 1.06),
    ],
)
def test_pixel_sizes_are_in_angstrom_with_or_without_the_unit(text: str, value: float) -> None:
    assert parse_pixel_size(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "4.4px",
        "0",
        "0A",
        "-1",
        "",
        "A",
        "A/px",
        "4.4/px",
        "0.44nm",
        "1,06",
        "4.4 Å/A",
        "4.4 angst",
        "nan",
        "inf",
        "1e999",
    ],
)
def test_other_pixel_sizes_are_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a positive number of Å a pixel, like 1\.06") as error:
        parse_pixel_size(text)
    assert repr(text) in str(error.value)


def test_lengths_become_pixels_of_a_micrograph() -> None:
    assert Length(120, "A").in_px(1.5) == 80
    assert Length(90, "px").in_px(1.5) == 90
    assert Length(90, "px").in_px(None) == 90


def test_angstrom_without_pixel_size_say_what_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"found 120 Å.*unknown pixel size.*--pixel-size"):
        Length(120, "A").in_px(None)

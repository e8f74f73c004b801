"""The edge: what `--edge` takes, what distance it means, and which centres stay."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.edges import edge_px, is_inside, parse_edge
from cryopick_cli.units import Length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("auto", None),
        ("0", Length(0, "px")),
        ("12.5", Length(12.5, "px")),
        ("90px", Length(90, "px")),
        ("120A", Length(120, "A")),
    ],
)
def test_words_and_lengths_are_read(text: str, length: Length | None) -> None:
    assert parse_edge(text) == length


@pytest.mark.parametrize("text", ["", "-1", "near", "3 nm", "nan"])
def test_other_words_are_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--edge: found .*, expected auto, 0, a number of pixels"):
        parse_edge(text)


@pytest.mark.parametrize(
    ("text", "pixel_size", "box", "margin"),
    [
        ("auto", None, 60, 30),
        ("auto", 1.5, None, 0),
        ("0", None, 60, 0),
        ("7", 1.5, 60, 7),
        ("30A", 1.5, 60, 20),
    ],
)
def test_the_distance_in_pixels(text: str, pixel_size: float | None, box: int | None, margin: float) -> None:
    assert edge_px(text, pixel_size, box) == margin


def test_a_box_that_just_fits_is_inside() -> None:
    """A micrograph of 100 columns and 50 rows; boxes of 20 px whose sides lie on its outer edges."""
    x = np.array([9.5, 9.4, 89.5, 89.6, 50.0, 50.0])
    y = np.array([9.5, 25.0, 39.5, 25.0, 9.4, 39.6])
    assert is_inside(x, y, (50, 100), 10.0).tolist() == [True, False, True, False, False, False]


def test_nought_keeps_what_lies_on_the_very_edge_and_beyond() -> None:
    assert is_inside(np.array([-3.0, 0.0, 105.0]), np.zeros(3), (50, 100), 0.0).all()

"""Lengths in Å and pixels, and binning: the only place with such arithmetic.

The pixel-centre rule: an integer coordinate is the centre of a pixel, the first stored pixel is (0, 0), x
runs along a stored row, y down the rows. A micrograph of ``n`` pixels therefore spans -0.5 to n - 0.5.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from cryopick_cli.errors import ConfigError

BOX_PER_DIAMETER = 1.5

Number = TypeVar("Number", float, NDArray[np.float64])

_ANGSTROM = r"(?:[AÅ]|[AÅ]ngstr[oö]ms?)"
_LENGTH = re.compile(rf"^\s*([0-9]*\.?[0-9]+)\s*({_ANGSTROM}|px)?\s*$", re.IGNORECASE)
_PIXEL_SIZE = re.compile(
    rf"^\s*((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?:{_ANGSTROM}(?:\s*/\s*(?:px|pix|pixel))?)?\s*$",
    re.IGNORECASE,
)


def parse_pixel_size(text: str) -> float:
    """Read a pixel size in Å: ``1.06``, ``1.06A``, ``1.06 Å``, ``1.06 Å/px`` or ``1.06 angstrom``.

    Raises
    ------
    ConfigError
        If the text is anything else, such as a length in pixels, or not above 0.
    """
    match = _PIXEL_SIZE.match(_composed(text))
    value = float(match.group(1)) if match is not None else 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(
            f"pixel size: found {text!r}, expected a positive number of Å a pixel, like 1.06, 1.06A or "
            "1.06A/px; it stands in the micrographs' STAR file or in the microscope's settings"
        )
    return value


def _composed(text: str) -> str:
    """Give text with one character for each letter: copied text has Å in three ways that look alike."""
    return unicodedata.normalize("NFC", text)


def to_px(length_in_angstrom: float, pixel_size: float) -> float:
    """Convert a length in Å to pixels of ``pixel_size`` Å."""
    return length_in_angstrom / pixel_size


def to_angstrom(length_in_px: float, pixel_size: float) -> float:
    """Convert a length in pixels of ``pixel_size`` Å to Å."""
    return length_in_px * pixel_size


def rescale_coordinate(coordinate: Number, factor: float) -> Number:
    """Move a coordinate to a grid whose pixels are ``factor`` times as large.

    Both grids share their outer edge, so pixel centres move by half a pixel: ``(c + 0.5) / factor - 0.5``.
    """
    return (coordinate + 0.5) / factor - 0.5


def round_to_even(length_px: float) -> int:
    """Round a length in pixels up to the next even whole number."""
    return 2 * int(np.ceil(length_px / 2.0 - 1e-9))


def suggest_box_size(diameter_px: float) -> int:
    """Suggest the edge of the square to extract, px, from 1.5 diameters on.

    The first even number without a prime factor above 5, so that Fourier transforms are fast, as RELION and
    cryoSPARC advise.
    """
    size = round_to_even(BOX_PER_DIAMETER * diameter_px)
    while next_fast_len(size, real=True) != size:
        size += 2
    return size


@dataclass(frozen=True)
class Length:
    """A length a user typed with its unit: ``120A`` or ``90px``."""

    value: float
    unit: str

    def __str__(self) -> str:
        """Write the length as it is typed."""
        return f"{self.value:g}{self.unit}"

    @classmethod
    def parse(cls, text: str, bare: str | None = None) -> Length:
        """Read ``120A``, ``120Å``, ``120 angstrom`` or ``90px``.

        Parameters
        ----------
        text : str
        bare : {"A", "px"}, optional
            The unit of a number that has none, which may then be 0 too; without it a unit must be there.

        Raises
        ------
        ConfigError
            If the text is not a positive number followed by one of the two units.
        """
        match = _LENGTH.match(_composed(text))
        value, unit = (0.0, None) if match is None else (float(match.group(1)), match.group(2))
        if match is not None and unit is None and bare is not None:
            return cls(value, bare)
        if value <= 0 or unit is None:
            raise ConfigError(
                f"length: found {text!r}, expected a positive number with its unit, like 120A or 90px; "
                "add A (ångström) or px (pixels of the micrograph)"
            )
        return cls(value, "px" if unit.lower() == "px" else "A")

    def in_px(self, pixel_size: float | None) -> float:
        """Give the length in pixels of a micrograph whose pixels measure ``pixel_size`` Å.

        Raises
        ------
        ConfigError
            If the length is in Å and the pixel size is unknown.
        """
        if self.unit == "px":
            return self.value
        if pixel_size is None:
            raise ConfigError(
                f"length: found {self.value:g} Å for a micrograph of unknown pixel size, expected a known "
                "pixel size; give --pixel-size, or the length in pixels"
            )
        return to_px(self.value, pixel_size)

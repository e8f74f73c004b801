"""Axes, series and histograms on a page of a PDF file. What they show is said by those who draw them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.report.pdf import PdfPage

Floats = NDArray[np.float64]
_GRID, _SERIES, _THREAD = (0.88, 0.88, 0.88), (0.12, 0.35, 0.62), (0.72, 0.80, 0.89)
_BINS = 40
_TICKS = 5
_MARK = 3.0


@dataclass(frozen=True)
class Axis:
    """A range of values and the points on the page that it covers."""

    values: tuple[float, float]
    points: tuple[float, float]
    whole: bool = False

    def __call__(self, value: float) -> float:
        """Give the point of a value."""
        share = (value - self.values[0]) / (self.values[1] - self.values[0])
        return self.points[0] + share * (self.points[1] - self.points[0])

    def ticks(self) -> list[float]:
        """Give a few round values in the range; whole ones on an axis of counts."""
        low, high = self.values
        power = 10 ** np.floor(np.log10((high - low) / _TICKS))
        step = next(power * m for m in (1, 2, 5, 10) if (high - low) / (power * m) <= _TICKS)
        if self.whole:
            step = max(1.0, step)
        return [float(step * k) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def make_axis(
    values: Floats, points: tuple[float, float], *, whole: bool = False, from_zero: bool = False
) -> Axis:
    """Make an axis that holds all finite values with a little room, even where they are all equal."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    return Axis((0.0 if from_zero else low - room, high + room), points, whole)


def draw_series(
    page: PdfPage, axes: tuple[Axis, Axis], names: tuple[str, str], numbers: Floats, values: Floats
) -> None:
    """Plot values over numbers, joined by a thin line; no mark where none is. Names are (up, across)."""
    across, up = axes
    _draw_frame(page, across, up, names)
    pairs = zip(numbers.tolist(), values.tolist(), strict=True)
    points = [(across(number), up(value)) for number, value in pairs if np.isfinite(value)]
    page.line(points, _THREAD, 0.5)
    page.rectangles([(x - _MARK / 2, y - _MARK / 2, _MARK, _MARK) for x, y in points], _SERIES)


def draw_histogram(
    page: PdfPage, box: tuple[float, float, float, float], names: tuple[str, str], values: Floats
) -> None:
    """Draw how often each value comes, inside a box (left, bottom, right, top). Names are (up, across)."""
    left, bottom, right, top = box
    across = make_axis(values, (left, right))
    counts, edges = np.histogram(values[np.isfinite(values)], bins=_BINS, range=across.values)
    up = make_axis(counts.astype(np.float64), (bottom, top), whole=True, from_zero=True)
    _draw_frame(page, across, up, names)
    width = (right - left) / _BINS
    bars = [
        (across(edge), bottom, 0.9 * width, up(count) - bottom)
        for edge, count in zip(edges.tolist(), counts.tolist(), strict=False)
    ]
    page.rectangles(bars, _SERIES)


def _draw_frame(page: PdfPage, across: Axis, up: Axis, names: tuple[str, str]) -> None:
    """Draw grid, ticks and the names of both axes: (up, across)."""
    (left, right), (bottom, top) = across.points, up.points
    for value in up.ticks():
        page.line([(left, up(value)), (right, up(value))], _GRID, 0.5)
        page.text((left - 5, up(value) - 3), f"{value:g}", 8, align=1)
    for value in across.ticks():
        page.line([(across(value), bottom), (across(value), bottom - 3)])
        page.text((across(value), bottom - 13), f"{value:g}", 8, align=0.5)
    page.line([(left, top), (left, bottom), (right, bottom)])
    page.text((left, top + 8), names[0], 10)
    page.text(((left + right) / 2, bottom - 27), names[1], 9, align=0.5)

"""`logfile.pdf` of a picking run, as RELION's autopicking has: picks and figure of merit a micrograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.formats.coordinates import MICROGRAPH
from cryopick_cli.picking.run_folder import Row
from cryopick_cli.report.pdf import PdfPage, write_pdf

Floats = NDArray[np.float64]
_GRID, _SERIES, _THREAD = (0.88, 0.88, 0.88), (0.12, 0.35, 0.62), (0.72, 0.80, 0.89)
_LEFT, _RIGHT, _TOP = 60.0, 560.0, 800.0
_BINS = 40
_TICKS = 5
_MARK = 3.0


def write_logfile(path: Path, title: str, rows: Sequence[Row], candidates: pd.DataFrame) -> None:
    """Draw how many picks each micrograph has and how good they are on average, and both as histograms.

    Parameters
    ----------
    path : Path
        The PDF file, replaced where it is there.
    title : str
        Top line.
    rows : sequence of Row
        A row a micrograph, in the order of the input; those that failed have no mark.
    candidates : DataFrame
        Of the whole run: ``micrograph, figure_of_merit, diameter_px, diameter_A, accepted``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    picks = candidates[candidates["accepted"]]
    done = sum(row.done for row in rows)
    words = f"{done} of {len(rows)} micrographs, {len(picks)} picks"
    page = PdfPage()
    page.text((_LEFT, _TOP), title, 14)
    page.text((_LEFT, _TOP - 18), f"{words}, {len(picks) / max(1, done):.0f} a micrograph", 10)
    _draw_micrographs(page, rows, picks)
    _draw_histograms(page, picks)
    write_pdf(path, page)


def _draw_micrographs(page: PdfPage, rows: Sequence[Row], picks: pd.DataFrame) -> None:
    number = np.arange(1, len(rows) + 1, dtype=np.float64)
    counts = np.array([row.picks if row.done else np.nan for row in rows], dtype=np.float64)
    means = picks.groupby(MICROGRAPH)["figure_of_merit"].mean()
    merits = means.reindex([row.name for row in rows]).to_numpy(dtype=np.float64)
    across = _axis(number, (_LEFT, _RIGHT), whole=True)
    _series(page, across, _axis(counts, (555, 740), whole=True, from_zero=True), "Picks", counts)
    _series(page, across, _axis(merits, (310, 495)), "Mean figure of merit", merits)


def _draw_histograms(page: PdfPage, picks: pd.DataFrame) -> None:
    merit = picks["figure_of_merit"].to_numpy(dtype=np.float64)
    _histogram(page, (_LEFT, 65, 290, 250), ("Picks", "figure of merit (log-odds of the score)"), merit)
    in_angstrom = bool(picks["diameter_A"].notna().any())
    diameters = picks["diameter_A" if in_angstrom else "diameter_px"].to_numpy(dtype=np.float64)
    name = f"diameter ({'Å' if in_angstrom else 'px'})"
    _histogram(page, (330, 65, _RIGHT, 250), ("Picks", name), diameters)


@dataclass(frozen=True)
class _Axis:
    """A range of values and the points on the page that it covers."""

    values: tuple[float, float]
    points: tuple[float, float]
    whole: bool = False

    def __call__(self, value: float) -> float:
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


def _axis(
    values: Floats, points: tuple[float, float], *, whole: bool = False, from_zero: bool = False
) -> _Axis:
    """Make an axis that holds all finite values with a little room, even where they are all equal."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    return _Axis((0.0 if from_zero else low - room, high + room), points, whole)


def _series(page: PdfPage, across: _Axis, up: _Axis, name: str, values: Floats) -> None:
    """Plot a value for each micrograph, joined by a thin line; no mark where there is none."""
    _frame(page, across, up, (name, "micrograph"))
    numbered = enumerate(values.tolist(), start=1)
    points = [(across(number), up(value)) for number, value in numbered if np.isfinite(value)]
    page.line(points, _THREAD, 0.5)
    page.rectangles([(x - _MARK / 2, y - _MARK / 2, _MARK, _MARK) for x, y in points], _SERIES)


def _histogram(
    page: PdfPage, box: tuple[float, float, float, float], names: tuple[str, str], values: Floats
) -> None:
    left, bottom, right, top = box
    across = _axis(values, (left, right))
    counts, edges = np.histogram(values[np.isfinite(values)], bins=_BINS, range=across.values)
    up = _axis(counts.astype(np.float64), (bottom, top), whole=True, from_zero=True)
    _frame(page, across, up, names)
    width = (right - left) / _BINS
    bars = [
        (across(edge), bottom, 0.9 * width, up(count) - bottom)
        for edge, count in zip(edges.tolist(), counts.tolist(), strict=False)
    ]
    page.rectangles(bars, _SERIES)


def _frame(page: PdfPage, across: _Axis, up: _Axis, names: tuple[str, str]) -> None:
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

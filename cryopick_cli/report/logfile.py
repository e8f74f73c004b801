"""`logfile.pdf` of a picking run, as RELION's autopicking has: picks and figure of merit a micrograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cryopick_cli.formats.coordinates import MICROGRAPH
from cryopick_cli.picking.notes import Row
from cryopick_cli.report.pdf import PdfPage, write_pdf
from cryopick_cli.report.plot import draw_histogram, draw_series, make_axis

LOGFILE = "logfile.pdf"
"""The name that RELION looks for in the folder of a job."""
_LEFT, _RIGHT, _TOP = 60.0, 560.0, 800.0


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
    across = make_axis(number, (_LEFT, _RIGHT), whole=True)
    up = make_axis(counts, (555, 740), whole=True, from_zero=True)
    draw_series(page, (across, up), ("Picks", "micrograph"), number, counts)
    up = make_axis(merits, (310, 495))
    draw_series(page, (across, up), ("Mean figure of merit", "micrograph"), number, merits)


def _draw_histograms(page: PdfPage, picks: pd.DataFrame) -> None:
    merit = picks["figure_of_merit"].to_numpy(dtype=np.float64)
    draw_histogram(page, (_LEFT, 65, 290, 250), ("Picks", "figure of merit (log-odds of the score)"), merit)
    in_angstrom = bool(picks["diameter_A"].notna().any())
    diameters = picks["diameter_A" if in_angstrom else "diameter_px"].to_numpy(dtype=np.float64)
    name = f"diameter ({'Å' if in_angstrom else 'px'})"
    draw_histogram(page, (330, 65, _RIGHT, 250), ("Picks", name), diameters)

"""`logfile.pdf` of a training run: the loss of each step and its running mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d

from cryopick_cli.report.pdf import PdfPage, write_pdf
from cryopick_cli.report.plot import draw_series, make_axis

_LEFT, _RIGHT, _TOP = 60.0, 560.0, 800.0
_LINE = 14.0
# The running mean goes over a twentieth of the steps; losses of single batches are noisy.
_PARTS = 20


def write_training_log(
    path: Path, title: str, words: Sequence[str], losses: Sequence[tuple[int, float]]
) -> None:
    """Draw how the loss fell.

    Parameters
    ----------
    path : Path
        The PDF file, replaced where it is there.
    title : str
        Top line.
    words : sequence of str
        Lines below it.
    losses : sequence of (int, float)
        Steps, in order, with their loss; of the whole run, however often it went on.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    page = PdfPage()
    page.text((_LEFT, _TOP), title, 14)
    for number, line in enumerate(words, start=1):
        page.text((_LEFT, _TOP - 4 - number * _LINE), line, 10)
    steps, values = np.array(losses, dtype=np.float64).reshape(-1, 2).T
    width = max(1, len(values) // _PARTS)
    smooth = uniform_filter1d(values, width, mode="nearest") if len(values) else values
    across = make_axis(steps, (_LEFT, _RIGHT), whole=True)
    for name, shown, points in (
        (f"Loss, mean of {width} steps", smooth, (430.0, 690.0)),
        ("Loss of each step", values, (80.0, 340.0)),
    ):
        draw_series(page, (across, make_axis(shown, points)), (name, "step"), steps, shown)
    write_pdf(path, page)

"""`logfile.pdf` of a training run: the words and a mark a step, also for runs of one step and of none."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from cryopick_cli.report.training_log import write_training_log


def drawn(path: Path) -> str:
    """Give the page's operators, uncompressed."""
    stream = re.search(rb"stream\n(.*)\nendstream", path.read_bytes(), re.DOTALL)
    assert stream is not None
    return zlib.decompress(stream.group(1)).decode("cp1252")


@pytest.mark.parametrize("count", [0, 1, 600])
def test_every_step_has_a_mark_in_both_plots(tmp_path: Path, count: int) -> None:
    losses = [(step, 2.0 / step) for step in range(1, count + 1)]
    path = tmp_path / "logfile.pdf"
    write_training_log(path, "cryopick: External/job021", ["weights: w", "particles: p.star"], losses)
    page = drawn(path)
    assert path.read_bytes().startswith(b"%PDF-1.")
    assert page.count(" re") == 2 * count
    for words in (
        "cryopick: External/job021",
        "weights: w",
        "particles: p.star",
        "Loss of each step",
        "step",
    ):
        assert f"({words})" in page
    assert f"mean of {max(1, count // 20)} steps" in page


def test_an_earlier_log_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "logfile.pdf"
    for title in ("first", "second"):
        write_training_log(path, title, [], [(1, 1.0)])
    assert "(second)" in drawn(path)

"""`logfile.pdf`: a PDF that its own table describes rightly, with a mark for every picked micrograph."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.formats.coordinates import concat_coordinates, empty_coordinates, make_coordinates
from cryopick_cli.picking.notes import Row
from cryopick_cli.report.logfile import write_logfile
from cryopick_cli.report.pdf import PdfPage, write_pdf


def drawn(path: Path) -> str:
    """Give the page's operators, uncompressed."""
    stream = re.search(rb"stream\n(.*)\nendstream", path.read_bytes(), re.DOTALL)
    assert stream is not None
    return zlib.decompress(stream.group(1)).decode("cp1252")


def texts(path: Path) -> list[str]:
    """Give the words on the page, without PDF's escapes."""
    return [re.sub(r"\\(.)", r"\1", text) for text in re.findall(r"\((.*)\) Tj", drawn(path))]


def row(name: str, picks: int, status: str = "picked") -> Row:
    return Row(name=name, relative=name, stamp="", picks=picks, status=status)


def candidates(counts: dict[str, int], angstrom: float) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    tables = {
        name: make_coordinates(
            rng.uniform(0, 500, count), rng.uniform(0, 500, count), diameter_px=90.0, score=0.8
        ).assign(figure_of_merit=1.4, diameter_A=angstrom)
        for name, count in counts.items()
    }
    return concat_coordinates(tables)


def test_the_table_of_objects_is_right(tmp_path: Path) -> None:
    page = PdfPage()
    page.text((50, 50), r"50 Å (half\)")
    write_pdf(tmp_path / "page.pdf", page)
    content = (tmp_path / "page.pdf").read_bytes()
    table = int(re.search(rb"startxref\n(\d+)", content).group(1))  # type: ignore[union-attr]
    assert content[table:].startswith(b"xref\n0 6\n")
    starts = [int(start) for start in re.findall(rb"(\d{10}) 00000 n", content)]
    assert [content[start:][:7] for start in starts] == [b"%d 0 obj" % number for number in range(1, 6)]
    assert texts(tmp_path / "page.pdf") == [r"50 Å (half\)"]


def test_every_picked_micrograph_has_a_mark_and_failed_ones_have_none(tmp_path: Path) -> None:
    rows = [row("a", 5), row("b", 0, "broken"), row("c", 7), row("d", 0)]
    write_logfile(tmp_path / "l.pdf", "job", rows, candidates({"a": 5, "c": 7}, angstrom=120.0))
    marks = re.findall(r"3\.000 3\.000 re", drawn(tmp_path / "l.pdf"))
    assert len(marks) == 3 + 2  # picks of a, c and d; mean merit of a and c
    words = texts(tmp_path / "l.pdf")
    assert words[:2] == ["job", "3 of 4 micrographs, 12 picks, 4 a micrograph"]
    assert "diameter (Å)" in words
    assert {"1", "2", "3", "4"} <= set(words)


@pytest.mark.parametrize("rows", [[row("a", 0)], [row("a", 0, "broken")], []])
def test_nothing_picked_is_a_page_too(tmp_path: Path, rows: list[Row]) -> None:
    write_logfile(tmp_path / "l.pdf", "job", rows, empty_coordinates(with_micrograph=True))
    assert "0 picks, 0 a micrograph" in texts(tmp_path / "l.pdf")[1]
    assert "diameter (px)" in texts(tmp_path / "l.pdf")


def test_without_a_pixel_size_diameters_are_in_pixels(tmp_path: Path) -> None:
    write_logfile(tmp_path / "l.pdf", "job", [row("a", 4)], candidates({"a": 4}, angstrom=np.nan))
    assert "diameter (px)" in texts(tmp_path / "l.pdf")

"""A page of lines, filled rectangles and text, written as a PDF file. It knows no plots.

Drawn by hand because that is little: PDF 1.4 (ISO 32000-1), one of the fonts that every viewer has, nothing
embedded. Lengths are in points (1/72 inch); x to the right, y up from the lower left corner.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from cryopick_cli.formats.atomic import atomic_path

Colour = tuple[float, float, float]
Point = tuple[float, float]
BLACK: Colour = (0.0, 0.0, 0.0)
# Widths in Helvetica, in font sizes; digits and most letters are about as wide as a digit.
_WIDTHS = {".": 0.278, ",": 0.278, " ": 0.278, "-": 0.333}
_USUAL_WIDTH = 0.556
_ENCODING = "cp1252"  # PDF calls it WinAnsiEncoding


class PdfPage:
    """One page; things drawn later lie on top.

    Parameters
    ----------
    width, height
        Points; an A4 page by default.
    """

    def __init__(self, width: float = 595.0, height: float = 842.0) -> None:
        self.width = width
        self.height = height
        self._drawn: list[bytes] = []

    def line(self, points: Sequence[Point], colour: Colour = BLACK, width: float = 0.7) -> None:
        """Draw straight lines from point to point."""
        path = " ".join(f"{x:.2f} {y:.2f} {'l' if index else 'm'}" for index, (x, y) in enumerate(points))
        if path:
            self._draw(f"{_numbers(colour)} RG {width} w {path} S")

    def rectangles(self, corners: Sequence[tuple[float, float, float, float]], colour: Colour) -> None:
        """Fill rectangles, each (left, bottom, width, height)."""
        path = " ".join(f"{_numbers(corner)} re" for corner in corners)
        if path:
            self._draw(f"{_numbers(colour)} rg {path} f")

    def text(self, at: Point, text: str, size: float = 9.0, *, align: float = 0.0) -> None:
        """Write a line of text on the baseline at a point; `align` 0 puts its start there, 1 its end."""
        width = size * sum(_WIDTHS.get(letter, _USUAL_WIDTH) for letter in text)
        for plain, escaped in (("\\", r"\\"), ("(", r"\("), (")", r"\)")):
            text = text.replace(plain, escaped)
        self._draw(f"0 g BT /F1 {size} Tf {at[0] - align * width:.2f} {at[1]:.2f} Td ({text}) Tj ET")

    @property
    def content(self) -> bytes:
        """The page's drawing operators."""
        return b"\n".join(self._drawn)

    def _draw(self, operators: str) -> None:
        self._drawn.append(operators.encode(_ENCODING, errors="replace"))


def write_pdf(path: str | Path, page: PdfPage) -> None:
    """Write a PDF file of one page, whole or not at all, in place of an earlier one.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    stream = zlib.compress(page.content)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 5 0 R "
        b"/Resources << /Font << /F1 4 0 R >> >> >>" % (page.width, page.height),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(stream), stream),
    ]
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(_file(objects))


def _file(objects: Sequence[bytes]) -> bytes:
    """Join numbered objects and the table of where they start; the first is the catalogue."""
    content = b"%PDF-1.4\n"
    starts = []
    for number, each in enumerate(objects, start=1):
        starts.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(content))
    return content + b"xref\n0 %d\n0000000000 65535 f \n%b%b" % (size, table, end)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)

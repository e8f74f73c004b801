"""Write `formats.md`, the reference of all file formats, from the registry that reads and writes them.

``python docs/reference/make_formats.py`` writes it; with ``--check`` nothing is written and the exit status
is 1 where the page does not say what the registry says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from cryopick_cli.formats import micrograph, mrc
from cryopick_cli.formats.registry import FORMATS, CoordinateFormat

PAGE = Path(__file__).with_name("formats.md")
TEXT = Path(__file__).with_name("formats.in.md")


def make_page() -> str:
    """Give the page: the text beside this script with its marks replaced by lists."""
    page = TEXT.read_text(encoding="utf-8")
    lists = {
        "mrc suffixes": _suffixes(mrc.SUFFIXES),
        "tiff suffixes": _suffixes(micrograph.TIFF_SUFFIXES),
        "picture suffixes": _suffixes(micrograph.PICTURE_SUFFIXES),
        "coordinate formats": "\n".join(_coordinate_formats()),
    }
    for mark, text in lists.items():
        page = page.replace(f"{{{{ {mark} }}}}", text)
    return page


def _suffixes(suffixes: tuple[str, ...]) -> str:
    return ", ".join(f"`{suffix}`" for suffix in suffixes)


def _coordinate_formats() -> Iterator[str]:
    yield "| name | file | program | stored | also kept | fractions of a pixel | candidates not accepted |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for one in FORMATS.values():
        cells = [
            f"`{one.name}`",
            _file(one),
            one.program,
            one.stored,
            ", ".join(f"`{column}`" for column in one.keeps) or "nothing",
            "kept" if one.rounding == "none" else one.rounding,
            "written" if one.rejected_too else "left out",
        ]
        yield f"| {' | '.join(cells)} |"


def _file(one: CoordinateFormat) -> str:
    return f"one `*{one.suffix}` for all" if one.one_file else f"`<stem>{one.suffix}`"


def main() -> int:
    """Write or check the page; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where the page is old"
    )
    page = make_page()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{PAGE}: is not what the registry says; run python {Path(__file__).name}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

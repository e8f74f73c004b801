"""The page of formats says what the registry says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cryopick_cli.formats.registry import FORMATS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_page_of_formats_is_current() -> None:
    script = REFERENCE / "make_formats.py"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_format_is_explained() -> None:
    page = (REFERENCE / "formats.md").read_text(encoding="utf-8")
    headings = "\n".join(line for line in page.splitlines() if line.startswith("###"))
    unexplained = [
        name for name in FORMATS if name not in ("csv", "tsv", "warp") and f"`{name}`" not in headings
    ]
    assert unexplained == []
    assert "{{" not in page

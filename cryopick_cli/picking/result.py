"""What picking one micrograph leaves behind: its picks and what files need to know, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cryopick_cli.formats.inputs import MicrographSource
from cryopick_cli.imaging.junk import JunkMask


@dataclass(frozen=True)
class Result:
    """What became of one micrograph: its picks, or why there are none."""

    source: MicrographSource
    seconds: float
    picks: pd.DataFrame | None = None
    shape: tuple[int, int] | None = None
    pixel_size: float | None = None
    box_size_px: int | None = None
    error: str | None = None
    junk: JunkMask | None = None
    """Where the micrograph shows no ice; None where it was not looked for, all clear where not believed."""

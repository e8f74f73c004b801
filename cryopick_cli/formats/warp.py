"""Warp's and M's picks in STAR files: centres, px of the average as read, first stored pixel (0, 0), y down.

One file a micrograph, one block, the micrograph's file name in every row, as WarpTools
``fs_export_particles`` matches it (by stem; give it ``--angpix_coords`` with the micrograph's pixel size).
Read by :mod:`.star`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.coordinates import MICROGRAPH, WriteOptions, accepted_only, score_or_merit
from cryopick_cli.formats.star import MERIT, NAME, X, Y
from cryopick_cli.formats.star_blocks import quoted, star_table


def write_warp(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write the accepted picks, best first; the score is the figure of merit, as BoxNet's is (0 to 1)."""
    kept = accepted_only(table)
    names = [quoted(Path(name).name) for name in kept[MICROGRAPH]]
    scores = pd.Series(score_or_merit(kept)).fillna(0.0).tolist()
    numbers = zip(kept["x"].tolist(), kept["y"].tolist(), names, scores, strict=True)
    rows = [(f"{x:.4f}", f"{y:.4f}", name, f"{score:.6f}") for x, y, name, score in numbers]
    write_text(path, star_table("", [X, Y, NAME, MERIT], rows), overwrite=options.overwrite)

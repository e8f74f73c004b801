"""EMAN2's boxes in ``info/<micrograph>_info.json``: centres, px, first stored pixel (0, 0), y down.

Rows of ``boxes`` are [x, y, "mode"], as e2boxer keeps them; the file's other entries are EMAN2's own and are
kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.coordinates import WriteOptions, accepted_only, make_coordinates
from cryopick_cli.formats.star_blocks import read_text

# The mode under which e2boxer shows boxes that it may move and delete one by one.
_MODE = "manual"
_REFERENCES_OF_NO_PARTICLES = ("refbad", "refbg", "bad")


def read_eman2(path: str | Path) -> pd.DataFrame:
    """Read the boxes of one micrograph; e2boxer's bad and background references are left out.

    Raises
    ------
    FormatError
        If the file is no JSON object or its boxes are not [x, y, "mode"].
    """
    path = Path(path)
    boxes = _read_object(path).get("boxes", [])
    try:
        kept = [row for row in boxes if len(row) < 3 or row[2] not in _REFERENCES_OF_NO_PARTICLES]
        return make_coordinates([float(row[0]) for row in kept], [float(row[1]) for row in kept])
    except (TypeError, ValueError, IndexError) as error:
        raise FormatError(f'{path}: found boxes that are not [x, y, "mode"] ({error})') from error


def write_eman2(path: str | Path, table: pd.DataFrame, options: WriteOptions) -> None:
    """Write the accepted picks, best first, in place of the file's boxes; its other entries stay."""
    path = Path(path)
    kept = accepted_only(table)
    content = _read_object(path) if path.is_file() and options.overwrite else {}
    content["boxes"] = [[round(x, 3), round(y, 3), _MODE] for x, y in zip(kept["x"], kept["y"], strict=True)]
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n", overwrite=options.overwrite)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(f"{path}: is no JSON file ({error}); check what wrote it") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path}: found a JSON {type(content).__name__}, expected an object with boxes")
    return content

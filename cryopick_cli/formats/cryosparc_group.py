"""cryoSPARC's result groups (``.csg``): which dataset holds which result. No coordinates.

A group is a short YAML text of a fixed form, as cryoSPARC 4 exports it and its job *Import Result Group*
takes it; a ``>`` before a file's name says that it lies beside the group.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.star_blocks import read_text

SUFFIX = ".csg"
# Of the picks: where they are, and what a threshold is set on.
_PARTS = ("location", "pick_stats")
# Version of cryoSPARC whose groups look like this.
_VERSION = "v4.4.1"
_RESULT = re.compile(r"^  (\w+):\s*$")
_METAFILE = re.compile(r"^    metafile:\s*['\"]?(>?)(.+?)['\"]?\s*$")


def write_group(path: Path, dataset: str, count: int, *, overwrite: bool = False) -> None:
    """Write the group of a dataset of picks that lies beside it.

    Parameters
    ----------
    path : Path
        The group's file.
    dataset : str
        Name of the dataset's file.
    count : int
        How many picks it holds.
    overwrite : bool
        Replace a group that is there.

    Raises
    ------
    OutputError
        If the file cannot be written, or is there and may not be replaced.
    """
    created = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    name = dataset.replace("'", "''")
    lines = [
        f"created: {created}",
        "group:",
        "  description: Particle locations picked by cryopick",
        "  name: particles",
        "  title: Picks of cryopick",
        "  type: particle",
        "results:",
    ]
    for part in _PARTS:
        lines += [f"  {part}:", f"    metafile: '>{name}'", f"    num_items: {count}"]
        lines += [f"    type: particle.{part}"]
    write_text(path, "\n".join([*lines, f"version: {_VERSION}", ""]), overwrite=overwrite)


def find_dataset(path: Path, result: str) -> Path:
    """Give the dataset that holds a result, such as ``location``; of a dataset itself, its own path.

    Raises
    ------
    FormatError
        If the group does not name the result.
    """
    if path.suffix.lower() != SUFFIX:
        return path
    found: dict[str, Path] = {}
    name = ""
    for line in read_text(path).splitlines():
        if match := _RESULT.match(line):
            name = match.group(1)
        elif match := _METAFILE.match(line):
            found[name] = path.parent / match.group(2).replace("''", "'")
    if result not in found:
        raise FormatError(
            f"{path}: found no result {result} (found {', '.join(found) or 'none'}); give the group or the "
            "dataset that has it"
        )
    return found[result]

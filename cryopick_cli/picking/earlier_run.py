"""What a run has left in its folder: its record, its summary, and its micrographs with all candidates.

Nothing is written here; that is ``run_folder.py``'s business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.formats.coordinates import empty_coordinates
from cryopick_cli.formats.inputs import output_tree
from cryopick_cli.formats.registry import FORMATS
from cryopick_cli.picking.notes import UNREADABLE, Notes, Row
from cryopick_cli.picking.outputs import OutputConfig

PICKS_FILE, SUMMARY_FILE, RECORD_FILE = "picks.csv", "summary.csv", "run.json"
# In the record of a cut: it is not finished; it began from what another cut had left.
UNFINISHED, FROM_A_CUT = "unfinished", "from_a_cut"
# In the record of any run: the formats of another, which it replaces and which is not removed yet.
REPLACING = "replacing"

Run = dict[str, tuple[Row, pd.DataFrame]]
"""Row and candidates by the micrograph's name."""


@dataclass(frozen=True)
class EarlierRun:
    """The micrographs of a run."""

    micrographs: Run
    """In the order of the summary; those that failed without candidates. Empty without notes."""
    as_picked: bool
    """Whether candidates are as they were picked, whatever was cut since: cuts of older versions kept no note
    of that, and what they left is all there is."""


def read_run(folder: Path) -> EarlierRun:
    """Give the micrographs that a run has picked into a folder with all their candidates.

    Raises
    ------
    InputError
        If notes of micrographs that were picked are missing or damaged; if the run was interrupted before a
        micrograph was picked, or while it replaced another.
    """
    notes, record = Notes(folder), record_in(folder)
    refuse_replacing(folder)
    told = rows_of_summary(folder)
    if not notes.names():
        if not told and {"pick", "filter"} & settings_in(folder).keys():
            raise InputError(
                f"{folder}: found a run that was interrupted before a micrograph was picked, expected one "
                "with picks; repeat the command that was interrupted, cryopick pick with --resume"
            )
        return EarlierRun({}, as_picked=True)
    picked, noted = _read_as_picked(notes)
    lost = [name for name, row in told.items() if row.done and name not in picked]
    if lost:
        raise InputError(
            f"{folder}: found no readable notes of {len(lost)} micrographs that were picked (first: "
            f"{lost[0]}), expected those that the run left in .cryopick; pick them again with --resume, "
            f"or cut the table {folder / PICKS_FILE} into another folder"
        )
    begun = UNFINISHED in record  # what has no note of how it was picked, is not cut yet
    cut = FROM_A_CUT in record or ("filter" in settings_in(folder) and not (noted or begun))
    run = {name: picked.pop(name, (row, empty_coordinates())) for name, row in told.items()} | picked
    return EarlierRun(run, as_picked=not cut)


def refuse_replacing(folder: Path) -> None:
    """See that a folder does not hold what is left of a run that was being replaced.

    Raises
    ------
    InputError
        If it does.
    """
    if REPLACING in record_in(folder):
        raise InputError(
            f"{folder}: found a run that was interrupted while it replaced another, expected a whole one; "
            "repeat the command that was interrupted"
        )


def _read_as_picked(notes: Notes) -> tuple[Run, bool]:
    """Give what is noted by name, as it was picked, and whether that is noted of every micrograph."""
    found, noted = {}, True
    for relative in notes.names():
        try:
            row, picks, before = notes.read_as_picked(relative)
        except UNREADABLE:
            continue
        found[row.name] = (row, picks)
        noted = noted and before
    return found, noted


def rows_of_summary(folder: Path) -> dict[str, Row]:
    """Give what the summary tells of each micrograph, by name; nothing where there is none."""
    try:
        table = pd.read_csv(folder / SUMMARY_FILE, dtype=str, keep_default_na=False)
        statuses = dict(zip(table["micrograph"], table["status"], strict=True))
    except (OSError, ValueError, KeyError):
        return {}
    return {
        name: Row(name=name, relative=output_tree(name), stamp="", status=status)
        for name, status in statuses.items()
    }


def record_in(folder: Path) -> dict[str, Any]:
    """Give the record of the run, or of the cut, that a folder holds; nothing where there is none to read."""
    try:
        return dict(json.loads((folder / RECORD_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def settings_in(folder: Path) -> dict[str, Any]:
    """Give the settings of the run, or of the cut, that a folder holds; none without a record."""
    config = record_in(folder).get("config")
    return config if isinstance(config, dict) else {}


def replaced_in(folder: Path) -> list[str]:
    """Give the formats of the run that another was replacing when that was interrupted; else none."""
    found = record_in(folder).get(REPLACING)
    return [name for name in FORMATS if name in found] if isinstance(found, list) else []


def formats_in(folder: Path) -> tuple[str, ...]:
    """Give the formats of the run that a folder holds, by its record; none without one."""
    try:
        return OutputConfig(format=settings_in(folder)["files"]["format"]).formats
    except (TypeError, KeyError, AttributeError, ConfigError):
        return ()

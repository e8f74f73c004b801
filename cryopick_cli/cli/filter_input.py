"""What `cryopick filter` starts from: the candidates of a run, its record, and what of it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import damaged, read_record, table_in
from cryopick_cli.errors import InputError
from cryopick_cli.formats.collection import read_collection
from cryopick_cli.formats.coordinates import empty_coordinates
from cryopick_cli.formats.inputs import output_tree
from cryopick_cli.formats.micrograph import read_micrograph_header
from cryopick_cli.picking.earlier_run import (
    RECORD_FILE,
    SUMMARY_FILE,
    Run,
    read_run,
    refuse_replacing,
    rows_of_summary,
)
from cryopick_cli.picking.notes import Row
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.recut import FilterConfig
from cryopick_cli.settings import Config, from_mapping

_REMEDY = "repair or remove it"


@dataclass(frozen=True)
class FilterInput:
    """A run to be cut.

    Attributes
    ----------
    path : Path
        Its folder, or the file of picks.
    record : dict
        What stands in its run.json; empty without one.
    run : dict
        Row and candidates of every micrograph, by name.
    noted : bool
        Whether they are from the run's own notes, and not from a table or coordinate files.
    as_picked : bool
        Whether they are as they were picked, and not as an earlier cut left them.
    """

    path: Path
    record: dict[str, Any]
    run: Run
    noted: bool
    as_picked: bool

    @property
    def picked(self) -> dict[str, Any] | str:
        """The record of the run that picked, also where this is a cut of it; without one, its path."""
        found: dict[str, Any] | str = self.record.get("run", self.record) or str(self.path)
        return found

    @property
    def limits_before(self) -> FilterConfig | None:
        """The limits of the cut that is cut again, None where the run itself is cut."""
        settings = settings_of(self.record)
        if "filter" not in settings:
            return None
        return self._told(FilterConfig, table_in(settings, "filter"), "config.filter")

    @property
    def decided(self) -> FilterConfig:
        """What the run that picked has decided of what a cut may decide anew."""
        pick = table_in(settings_of(self.picked), "pick")
        return self._told(FilterConfig, {name: pick.get(name) for name in ("junk", "edge")}, "config.pick")

    @property
    def files(self) -> OutputConfig:
        """The files that are there, in the box that the run that picked was given."""
        there, picked = (table_in(settings_of(one), "files") for one in (self.record, self.picked))
        told = {"format": there.get("format", OutputConfig.format), "box_size": picked.get("box_size")}
        return self._told(OutputConfig, told, "config.files")

    def _told(self, kind: type[Config], settings: Mapping[str, Any], where: str) -> Config:
        with damaged(_record_of(self.path), _REMEDY):
            return from_mapping(kind, settings, where)

    def warn_of_what_is_missing(self, console: Console) -> None:
        """Say where less than the whole run as it was picked is there to start from."""
        if not self.as_picked:
            why = (
                "an earlier cut of it kept no notes of that, as those of older versions of cryopick"
                if self.noted
                else "this is the table of a cut"
            )
            console.warn(
                f"{self.path}: what was accepted when picked is not told here, as {why} (found no notes of "
                "the run as picked), so what that cut left out may stay out; give the folder of the run, or "
                "pick again, to start from all that it accepted"
            )
        if self.noted and not (self.path / SUMMARY_FILE).is_file():
            console.warn(
                f"{self.path}: the run was not finished (found no {SUMMARY_FILE}); only what is there is "
                "cut, so finish it first, with the command that it was begun with"
            )


def read_input(path: Path) -> FilterInput:
    """Read a run as it was picked, from its folder's own notes, else from its table or coordinate files.

    Raises
    ------
    InputError
        If it is missing, or notes of it are; if it was interrupted before a micrograph was picked, or while
        it replaced another run.
    CryopickError
        If its record is damaged.
    """
    record = _read_record(path)
    if path.is_dir():
        earlier = read_run(path)
        if any(row.done for row, _ in earlier.micrographs.values()):
            return FilterInput(path, record, earlier.micrographs, True, earlier.as_picked)
    else:
        refuse_replacing(path.parent)
    read = {name: (_row_of(name, table), table) for name, table in read_collection([path]).items()}
    # A table has no line of micrographs without candidates, or of those that failed; the summary has.
    rest = {name: (row, empty_coordinates()) for name, row in rows_of_summary(path).items()}
    return FilterInput(path, record, rest | read, False, "filter" not in settings_of(record))


def settings_of(record: object) -> dict[str, Any]:
    """Give the settings that a record tells; none of what is no record, such as a file's name."""
    return table_in(record, "config") if isinstance(record, dict) else {}


def _row_of(name: str, table: pd.DataFrame) -> Row:
    """Make a row of what a coordinate file tells of its micrograph, and of the micrograph if it is there."""
    shape, pixel_size, box = None, None, None
    if (table["diameter_A"] > 0).any():
        pixel_size = float((table["diameter_A"] / table["diameter_px"]).median())
    if "box_size_px" in table and table["box_size_px"].notna().any():
        box = round(float(table["box_size_px"].median()))
    if Path(name).is_file():
        header = read_micrograph_header(Path(name))
        shape, pixel_size = header.shape, pixel_size or header.pixel_size
    return Row(
        name=name,
        relative=output_tree(name),
        stamp="",
        shape=shape,
        pixel_size=pixel_size,
        box_size_px=box,
    )


def _read_record(source: Path) -> dict[str, Any]:
    """Read the record beside a run; empty where there is none."""
    if not source.exists():
        raise InputError(f"{source}: is missing (expected the folder of a run, or its picks); check the name")
    path = _record_of(source)
    return read_record(path, _REMEDY) if path.is_file() else {}


def _record_of(source: Path) -> Path:
    return (source if source.is_dir() else source.parent) / RECORD_FILE

"""The output folder of a picking run: what lies where, what is done already, and the tables over all.

Every file is written whole or not at all. The candidates of each micrograph lie in ``.cryopick/`` as soon
as it is picked: a run that was interrupted, or to which micrographs were added, goes on from there. What an
earlier run has left is read in ``earlier_run.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cryopick_cli.errors import OutputError
from cryopick_cli.formats.atomic import make_folder, write_text
from cryopick_cli.formats.coordinates import (
    MicrographInfo,
    WriteOptions,
    concat_coordinates,
)
from cryopick_cli.formats.cryosparc_group import SUFFIX as GROUP_SUFFIX
from cryopick_cli.formats.inputs import MicrographSource
from cryopick_cli.formats.micrograph import MASK_SUFFIX, write_micrograph
from cryopick_cli.formats.registry import FORMATS, write_coordinates
from cryopick_cli.formats.relion_project import Project
from cryopick_cli.formats.star import LIST_FILE, SUFFIX_FILE, write_coordinate_list
from cryopick_cli.picking.earlier_run import (
    PICKS_FILE,
    RECORD_FILE,
    REPLACING,
    SUMMARY_FILE,
    formats_in,
    replaced_in,
    settings_in,
)
from cryopick_cli.picking.notes import Notes, Row
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.result import Result

CURVE_FILE = "threshold_curve.csv"
_TABLES = (PICKS_FILE, SUMMARY_FILE, LIST_FILE, SUFFIX_FILE, CURVE_FILE)
PICKS_COLUMNS = (
    *("micrograph", "x", "y", "diameter_px", "diameter_A", "score", "accepted"),
    *("junk", "score_without_junk", "threshold"),
)
SUMMARY_COLUMNS = ("micrograph", "picks", "median_diameter_px", "seconds", "status")
# Scores and thresholds are written in full: rounded, a score could tell otherwise than `accepted` does.
_DECIMALS = {
    **dict.fromkeys(("x", "y"), 3),
    **dict.fromkeys(("diameter_px", "diameter_A"), 2),
}
_STAR = "star"


class RunFolder:
    """An output folder while it is filled."""

    def __init__(self, folder: Path, config: OutputConfig) -> None:
        self.folder = folder
        self.config = config
        self._notes = Notes(folder)
        self._replaced: list[str] = []  # formats of the run that this one replaces, while it is there

    def prepare(
        self,
        sources: Sequence[MicrographSource] = (),
        *,
        overwrite: bool,
        resume: bool,
        resumable: bool = True,
    ) -> None:
        """Make the folder ready for the results of these micrographs.

        A run that is to be replaced stays until :meth:`remove_replaced`. ``resumable`` tells whether a run
        that is there could be gone on with, for the message.

        Raises
        ------
        OutputError
            If it is a file; if it holds a run already and neither ``overwrite`` nor ``resume`` is set; if it
            holds files of other origin that this run would replace, such as picks made by hand.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder}: found a file, expected a folder; give another --out")
        if self.holds_run and not (overwrite or resume):
            resumable = resumable and "filter" not in settings_in(self.folder)
            raise OutputError(
                f"{self.folder}: holds a run of cryopick already; add "
                f"{'--resume to go on with it, ' if resumable else ''}--overwrite to replace it, or give "
                "another --out"
            )
        if not (overwrite or self.holds_run):
            self._refuse_foreign_files(sources)
        self._replaced = self._formats_to_remove(overwrite=overwrite)
        make_folder(self.folder)
        self._notes.make_folder()

    @property
    def marks(self) -> dict[str, list[str]]:
        """What the record must tell beside the run's own results while the run that it replaces is there.

        A record with these says that all notes are of the other run, and what is to be removed with them.
        """
        return {REPLACING: self._replaced} if self._replaced else {}

    def remove_replaced(self) -> None:
        """Remove the run that this one replaces; done once the record of this one stands, with `marks`.

        Only tables and names that its own notes give are touched: tables first, which tell of the whole run,
        and the notes last, so that no file is left that nothing names, wherever this is interrupted.
        """
        if not self._replaced:
            return
        joint = [self._joint_file(name) for name in self._replaced if FORMATS[name].one_file]
        tables = [self.folder / name for name in _TABLES]
        for path in (*tables, *joint, *(one.with_suffix(GROUP_SUFFIX) for one in joint)):
            path.unlink(missing_ok=True)
        apart = [name for name in self._replaced if not FORMATS[name].one_file]
        for relative in self._notes.names():
            coordinates = [self.path_of(relative, name) for name in apart]
            for path in (*coordinates, picture_of(self.folder, relative), self.mask_path_of(relative)):
                path.unlink(missing_ok=True)
        self._notes.remove()
        self._notes.make_folder()
        self._replaced = []

    def _formats_to_remove(self, *, overwrite: bool) -> list[str]:
        """List the formats of the run that is to be replaced, or was being so when that was interrupted."""
        begun = replaced_in(self.folder)
        if not (overwrite and self.holds_run):
            return begun
        return list(dict.fromkeys([*begun, *(formats_in(self.folder) or self.config.formats)]))

    @property
    def holds_run(self) -> bool:
        """Whether a run left something here; one that ended before its first micrograph did not."""
        return (self.folder / RECORD_FILE).exists() or bool(self._notes.names())

    def row_of(self, source: MicrographSource) -> Row | None:
        """Give the row of a micrograph that an earlier run has picked and that has not changed since."""
        row = None if self._replaced else self._notes.row_of(source.relative)
        if row is None:
            return None
        written = all(path.exists() for path in self._files_of(row.relative))
        return row if written and row.name == source.name and row.stamp == stamp_of(source.path) else None

    def _check_cleared(self) -> None:
        """See that nothing is written, or removed, while the run that is to be replaced is there."""
        if self._replaced:
            raise RuntimeError(
                f"{self.folder}: found the run that this one replaces, expected it removed before its files "
                "are written"
            )

    def write(self, result: Result) -> Row:
        """Write the coordinate files of one micrograph and keep its candidates.

        Raises
        ------
        OutputError
            If a file cannot be written.
        RuntimeError
            If the run that this one replaces is still there.
        """
        self._check_cleared()
        source, picks = result.source, result.picks
        if picks is None:
            self._discard(source.relative)
            failed = Row(
                name=source.name, relative=source.relative, stamp="", status=result.error or "failed"
            )
            return replace(failed, seconds=round(result.seconds, 3))
        row = Row(
            name=source.name,
            relative=source.relative,
            stamp=stamp_of(source.path),
            seconds=round(result.seconds, 3),
            shape=result.shape,
            pixel_size=result.pixel_size,
            box_size_px=result.box_size_px,
            mask_doubted=result.junk is not None and result.junk.doubted,
        )
        if self.config.write_masks:
            self._write_mask(result)
        return self.write_picks(row, picks)

    def adopt(self, run: Mapping[str, tuple[Row, pd.DataFrame]]) -> None:
        """Take micrographs and picks of other origin for a run, as if they had been picked into this folder.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        self._notes.adopt(run)
        self._write_summary([row for row, _ in run.values()])

    def write_picks(self, row: Row, picks: pd.DataFrame, as_picked: pd.DataFrame | None = None) -> Row:
        """Write the coordinate files of a micrograph and keep its candidates; give its row with their count.

        Of candidates that were cut, ``as_picked`` is how they stood before.

        Raises
        ------
        OutputError
            If a file cannot be written.
        RuntimeError
            If the run that this one replaces is still there.
        """
        self._check_cleared()
        accepted = picks[picks["accepted"]]
        median = round(float(accepted["diameter_px"].median()), 2) if len(accepted) else None
        row = replace(row, picks=len(accepted), median_diameter_px=median)
        options = WriteOptions(box_size_px=self.config.box_size or row.box_size_px, overwrite=True)
        for name in self._own_files():
            named = _named(picks, row.name) if FORMATS[name].names_micrograph else picks
            write_coordinates(self.path_of(row.relative, name), named, name, options)
        self._notes.write(row, picks, as_picked)
        return row

    def finish(
        self, rows: Sequence[Row], candidates: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Write the tables over all micrographs, those of earlier runs too; give every candidate.

        ``candidates`` has those of micrographs, by name, that need not be read from the notes.

        Returns
        -------
        DataFrame
            As in ``picks.csv``, with ``figure_of_merit``.

        Raises
        ------
        RuntimeError
            If the run that this one replaces is still there.
        """
        self._check_cleared()
        rows = [*rows, *self._other_rows(rows)]
        done = [row for row in rows if row.done]
        known = candidates or {}
        joined = concat_coordinates(
            {
                row.name: known[row.name] if row.name in known else self._notes.read(row.relative)[1]
                for row in done
            }
        )
        table = joined.reindex(columns=list(PICKS_COLUMNS)).round(_DECIMALS)
        write_text(self.folder / PICKS_FILE, _as_csv(table), overwrite=True)
        self._write_summary(rows)
        if _STAR in self.config.formats:
            project = Project(self.folder)
            files = [project.name(self.path_of(row.relative, _STAR)) for row in done]
            listed = zip([row.name for row in done], files, strict=True)
            write_coordinate_list(self.folder / LIST_FILE, listed, overwrite=True)
        self._write_joint_files(joined, done)
        return joined

    def _write_summary(self, rows: Sequence[Row]) -> None:
        lines = [
            (row.name, row.picks, row.median_diameter_px, f"{row.seconds:.3f}", row.status) for row in rows
        ]
        summary = pd.DataFrame(lines, columns=list(SUMMARY_COLUMNS))
        write_text(self.folder / SUMMARY_FILE, _as_csv(summary), overwrite=True)

    def _other_rows(self, rows: Sequence[Row]) -> list[Row]:
        """List the micrographs of earlier runs into this folder that this run was not given."""
        given = {row.relative for row in rows}
        found = [self._notes.row_of(name) for name in self._notes.names() if name not in given]
        return [row for row in found if row is not None]

    def path_of(self, relative: str, format_name: str) -> Path:
        """Give where a micrograph's coordinate file of a format lies."""
        return self.folder / f"{relative}{FORMATS[format_name].suffix}"

    def mask_path_of(self, relative: str) -> Path:
        """Give where a micrograph's mask of junk lies."""
        return self.folder / f"{relative}{MASK_SUFFIX}"

    def _write_mask(self, result: Result) -> None:
        if result.shape is None:
            return
        mask = np.zeros(result.shape, np.float32) if result.junk is None else result.junk.full()
        path = self.mask_path_of(result.source.relative)
        write_micrograph(path, mask, result.pixel_size, np.int8, overwrite=True)

    def _files_of(self, relative: str) -> list[Path]:
        """List the files that a run with these settings writes for a micrograph."""
        masks = [self.mask_path_of(relative)] if self.config.write_masks else []
        return [*(self.path_of(relative, name) for name in self._own_files()), *masks]

    def _refuse_foreign_files(self, sources: Sequence[MicrographSource]) -> None:
        tables = [self.folder / name for name in _TABLES]
        own = [path for source in sources for path in self._files_of(source.relative)]
        there = [path for path in (*tables, *own) if path.exists()]
        if there:
            raise OutputError(
                f"{there[0]}: is there already ({len(there)} files would be replaced); give another --out, "
                "or --overwrite to replace them"
            )

    def _discard(self, relative: str) -> None:
        """Remove what an earlier run has made of a micrograph that cannot be picked any more."""
        shown = (picture_of(self.folder, relative), self.mask_path_of(relative))
        for path in (*self._files_of(relative), *shown):
            path.unlink(missing_ok=True)
        self._notes.discard(relative)

    def _joint_file(self, format_name: str) -> Path:
        return self.folder / f"picks{FORMATS[format_name].suffix}"

    def _own_files(self) -> list[str]:
        return [name for name in self.config.formats if not FORMATS[name].one_file]

    def _write_joint_files(self, joined: pd.DataFrame, done: Sequence[Row]) -> None:
        infos = {row.name: MicrographInfo(shape=row.shape, pixel_size=row.pixel_size) for row in done}
        options = WriteOptions(box_size_px=self.config.box_size, micrographs=infos, overwrite=True)
        for name in self.config.formats:
            if FORMATS[name].one_file:
                write_coordinates(self._joint_file(name), joined, name, options)


def picture_of(folder: Path, relative: str) -> Path:
    """Give where a micrograph is drawn with its picks."""
    return folder / f"{relative}_picks.png"


def stamp_of(path: Path) -> str:
    """Tell one state of a file from another: its size and time of change."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


def _named(picks: pd.DataFrame, name: str) -> pd.DataFrame:
    return concat_coordinates({name: picks})


def _as_csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))

"""What a run notes of each micrograph below its folder: its row, and its candidates as picked and as cut.

The notes are what ``--resume`` and ``cryopick filter`` go by. A cut changes which candidates are accepted and
what they score; how they stood as picked is kept beside that, so that every cut starts from there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cryopick_cli.errors import CryopickError, OutputError
from cryopick_cli.formats.atomic import make_folder, write_text
from cryopick_cli.formats.coordinates import COLUMNS, check_coordinates

DONE = "picked"
FOLDER = ".cryopick"
# What a cut may change of a candidate.
CUT_COLUMNS = ("score", "figure_of_merit", "accepted", "threshold")
_KEPT_COLUMNS = (*COLUMNS, "junk", "score_without_junk", "threshold")
_SUFFIX = ".json"
# What reading a damaged note may raise.
UNREADABLE = (OSError, ValueError, TypeError, KeyError, RecursionError, CryopickError)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A micrograph's line in the summary, and what a resumed run must know of it."""

    name: str
    relative: str
    stamp: str
    picks: int = 0
    median_diameter_px: float | None = None
    seconds: float = 0.0
    status: str = DONE
    shape: tuple[int, int] | None = None
    pixel_size: float | None = None
    box_size_px: int | None = None
    mask_doubted: bool = False
    """Whether a mask of junk was found that its candidates speak against, so that it is not used."""

    @property
    def done(self) -> bool:
        """Whether the micrograph was picked."""
        return self.status == DONE


class Notes:
    """The notes in the folder of a run; each is written whole or not at all."""

    def __init__(self, folder: Path, name: str = FOLDER) -> None:
        self._folder = folder / name

    def make_folder(self) -> None:
        """Make the place for notes where there is none.

        Raises
        ------
        OutputError
            If it cannot be made.
        """
        make_folder(self._folder)

    def names(self) -> list[str]:
        """List the micrographs with notes, by their path below the run's folder without suffix."""
        found = (path.relative_to(self._folder).as_posix() for path in self._folder.rglob(f"*{_SUFFIX}"))
        return sorted(name.removesuffix(_SUFFIX) for name in found)

    def write(self, row: Row, picks: pd.DataFrame, as_picked: pd.DataFrame | None = None) -> None:
        """Note a micrograph and its candidates; of those that were cut, how they stood as picked too.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        content = {"row": asdict(row), "picks": _plain(picks, _KEPT_COLUMNS)}
        if as_picked is not None:
            content["as_picked"] = _plain(as_picked, CUT_COLUMNS)
        write_text(self._path(row.relative), json.dumps(content), overwrite=True)

    def adopt(self, run: Mapping[str, tuple[Row, pd.DataFrame]]) -> None:
        """Note micrographs that no run of cryopick picked, all of them or none.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        staged = Notes(self._folder.parent, f"{FOLDER}.new")
        staged.remove()
        for row, picks in run.values():
            staged.write(row, picks)
        staged.make_folder()
        self.remove()
        try:
            staged._folder.replace(self._folder)
        except OSError as error:
            raise OutputError(
                f"{self._folder}: cannot be written ({error.strerror}); check the folder's rights"
            ) from error

    def read(self, relative: str) -> tuple[Row, pd.DataFrame]:
        """Give a micrograph's row and candidates."""
        content = self._content(relative)
        return self._row(content), self._table(relative, content["picks"])

    def read_as_picked(self, relative: str) -> tuple[Row, pd.DataFrame, bool]:
        """Give a micrograph's row, its candidates as they stood before any cut, and whether that was noted.

        Where it was not, they are given as they stand: as picked, unless a cut kept no note of that.
        """
        content = self._content(relative)
        columns, before = content["picks"], content.get("as_picked")
        if before is not None:
            columns = {name: column for name, column in columns.items() if name not in CUT_COLUMNS} | before
        return self._row(content), self._table(relative, columns), before is not None

    def row_of(self, relative: str) -> Row | None:
        """Give a micrograph's row, None where there is none or its file is damaged."""
        try:
            return self.read(relative)[0]
        except UNREADABLE:
            return None

    def discard(self, relative: str) -> None:
        """Remove what is noted of a micrograph."""
        self._path(relative).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all notes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, relative: str) -> Path:
        return self._folder / f"{relative}{_SUFFIX}"

    def _content(self, relative: str) -> dict[str, Any]:
        return dict(json.loads(self._path(relative).read_text(encoding="utf-8")))

    def _row(self, content: dict[str, Any]) -> Row:
        shape = content["row"]["shape"]
        return Row(**content["row"] | {"shape": None if shape is None else (shape[0], shape[1])})

    def _table(self, relative: str, columns: Mapping[str, list[object]]) -> pd.DataFrame:
        return check_coordinates(pd.DataFrame(columns), str(self._path(relative)))


def _plain(picks: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, list[object]]:
    return {name: picks[name].tolist() for name in columns if name in picks}

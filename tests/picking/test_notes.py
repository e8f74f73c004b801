"""What a run notes of its micrographs: as they stand, as they were picked, and all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cryopick_cli.formats import atomic
from cryopick_cli.formats.coordinates import empty_coordinates, make_coordinates
from cryopick_cli.picking import notes as notes_module
from cryopick_cli.picking.notes import Notes, Row

ROW = Row(name="mics/grid/a.mrc", relative="grid/a", stamp="1:2", shape=(200, 300), pixel_size=1.5)
PICKS = make_coordinates(
    [20.0, 100.0], [100.0, 90.0], score=[0.9, 0.3], accepted=[True, False], junk=[0.0, 0.5], threshold=0.5
)


@pytest.mark.parametrize("picks", [PICKS, PICKS.drop(columns="threshold"), empty_coordinates()])
def test_candidates_as_picked_are_kept_beside_the_cut(tmp_path: Path, picks: pd.DataFrame) -> None:
    notes = Notes(tmp_path)
    notes.write(ROW, picks)
    assert notes.read_as_picked("grid/a")[0] == ROW
    cut = picks.assign(accepted=False, score=0.1, threshold=0.9)
    notes.write(ROW, cut, picks)
    pd.testing.assert_frame_equal(notes.read("grid/a")[1], cut, check_like=True, check_dtype=False)
    pd.testing.assert_frame_equal(
        notes.read_as_picked("grid/a")[1], picks, check_like=True, check_dtype=False
    )


def test_micrographs_are_listed_by_their_place_and_can_be_discarded(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    assert notes.names() == []
    notes.write(ROW, PICKS)
    notes.write(Row(name="b.mrc", relative="b", stamp=""), PICKS)
    assert notes.names() == ["b", "grid/a"]
    notes.discard("b")
    assert notes.names() == ["grid/a"]
    assert notes.row_of("b") is None
    notes.remove()
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_adopted_is_noted_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = {name: (Row(name=name, relative=name, stamp=""), PICKS) for name in ("a", "b", "c")}
    written: list[Path] = []

    def fail_at_the_second(path: Path, text: str, **options: Any) -> None:
        if written:
            raise KeyboardInterrupt
        atomic.write_text(path, text, **options)
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(notes_module, "write_text", fail_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            Notes(tmp_path).adopt(run)
    assert Notes(tmp_path).names() == []
    Notes(tmp_path).adopt(run)
    assert Notes(tmp_path).names() == ["a", "b", "c"]
    assert [path.name for path in tmp_path.iterdir()] == [notes_module.FOLDER]

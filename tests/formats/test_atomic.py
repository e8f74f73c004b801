"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryopick_cli.errors import OutputError
from cryopick_cli.formats.atomic import atomic_path, check_folder, make_folder, write_text


def test_writes_and_makes_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "picks.csv"
    write_text(target, "x,y\n")
    assert target.read_text() == "x,y\n"
    assert [path.name for path in target.parent.iterdir()] == ["picks.csv"]


def test_refuses_an_existing_file_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "picks.csv"
    target.write_text("old")
    with pytest.raises(OutputError, match="is there already"):
        write_text(target, "new")
    assert target.read_text() == "old"
    write_text(target, "new", overwrite=True)
    assert target.read_text() == "new"


def test_an_error_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "picks.csv"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target, overwrite=True) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["picks.csv"]


def test_the_file_gets_the_rights_of_the_users_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "picks.csv", "")
    finally:
        os.umask(before)
    assert (tmp_path / "picks.csv").stat().st_mode & 0o777 == 0o640


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "picks.csv").mkdir()
    with pytest.raises(OutputError, match="found a folder"):
        write_text(tmp_path / "picks.csv", "", overwrite=True)


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="out: found a file, expected a folder"):
        write_text(tmp_path / "out" / "picks.csv", "")


def test_whether_a_folder_can_be_written_is_told_without_making_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_folder(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    for blocked in ("file", "file/a/b"):
        with pytest.raises(OutputError, match="file: found a file, expected a folder; give another"):
            check_folder(tmp_path / blocked)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match=f"{tmp_path.name}: found a folder without the right to write"):
        make_folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()

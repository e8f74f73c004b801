"""EMAN2's info files: centres, modes, and everything else in them left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, make_coordinates
from cryopick_cli.formats.eman2 import read_eman2, write_eman2


def test_boxes_are_centres_and_bad_references_are_no_particles(tmp_path: Path) -> None:
    path = tmp_path / "m_info.json"
    path.write_text(
        json.dumps(
            {
                "boxes": [[10, 20, "manual"], [30.5, 40, "auto_convnet"], [1, 1, "refbad"], [2, 2, "refbg"]],
                "quality": 5,
            }
        )
    )
    table = read_eman2(path)
    assert table["x"].tolist() == [10, 30.5]
    assert table["y"].tolist() == [20, 40]


def test_other_entries_survive_and_old_boxes_do_not(tmp_path: Path) -> None:
    path = tmp_path / "m_info.json"
    path.write_text(json.dumps({"boxes": [[1, 2, "manual"]], "ctf_frame": [512, "x"]}))
    write_eman2(path, make_coordinates([7.25], [8]), WriteOptions(overwrite=True))
    assert json.loads(path.read_text()) == {"boxes": [[7.25, 8.0, "manual"]], "ctf_frame": [512, "x"]}


def test_no_picks(tmp_path: Path) -> None:
    write_eman2(tmp_path / "m_info.json", empty_coordinates(), WriteOptions())
    assert len(read_eman2(tmp_path / "m_info.json")) == 0
    (tmp_path / "n_info.json").write_text("{}")
    assert len(read_eman2(tmp_path / "n_info.json")) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "JSON list"),
        ("{", "is no JSON file"),
        ('{"boxes": [[1]]}', "boxes that are not"),
        ('{"boxes": 3}', "boxes that are not"),
    ],
)
def test_other_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m_info.json").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_eman2(tmp_path / "m_info.json")

"""The library: opened by index or by files, drawn from by size and class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.errors import InputError
from cryopick_cli.simulation.structures import KEPT_IN_MEMORY, StructureLibrary


def write_cloud(path: Path, radius: float, category: str) -> None:
    rng = np.random.default_rng(len(path.name))
    np.savez(
        path,
        xyz=rng.uniform(-radius, radius, (400, 3)),
        weight=np.ones(400),
        mw_kda=100.0,
        blur=2.0,
        id=path.stem,
        cls=category,
    )


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    rows = []
    for number in range(12):
        category = "rare" if number == 0 else "enzyme"
        radius = 50.0 if number < 8 else 200.0
        write_cloud(tmp_path / f"p{number}.npz", radius, category)
        rows.append({"file": f"p{number}.npz", "class": category, "max_dim_A": 2 * radius})
    pd.DataFrame(rows).to_csv(tmp_path / "index.csv", index=False)
    return tmp_path


def test_only_particles_that_fit_the_pixel_size_are_drawn(indexed: Path, rng: np.random.Generator) -> None:
    library = StructureLibrary.open(indexed)
    assert len(library) == 12
    for _ in range(20):
        small = library.draw(rng, 20.0, (1.5, 10.0), 4.0)
        large = library.draw(rng, 150.0, (1.5, 10.0), 4.0)
        assert small is not None
        assert large is not None
        assert large.name in {"p8", "p9", "p10", "p11"}
    assert library.draw(rng, 900.0, (1.5, 10.0), 4.0) is None


def test_rare_classes_are_drawn_more_often_than_their_number(indexed: Path, rng: np.random.Generator) -> None:
    library = StructureLibrary.open(indexed)
    drawn = [library.draw(rng, 25.0, (1.5, 5.0), 4.0) for _ in range(400)]
    share = Counter(one.category for one in drawn if one is not None)["rare"] / 400
    assert 1.5 / 8 < share < 0.6


def test_empty_library_draws_nothing(rng: np.random.Generator) -> None:
    library = StructureLibrary.open(None)
    assert len(library) == 0
    assert library.draw(rng, 50.0, (1.0, 10.0), 4.0) is None


def test_folder_without_index_is_read_file_by_file(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.npz", 40.0, "enzyme")
    write_cloud(tmp_path / "b.npz", 80.0, "enzyme")
    (tmp_path / "notes.txt").write_text("not a structure")
    table = StructureLibrary.open(tmp_path).table
    assert [Path(path).name for path in table["path"]] == ["a.npz", "b.npz"]
    assert table["diameter_A"].tolist() == pytest.approx([80.0, 160.0], rel=0.3)


def test_memory_holds_a_limited_number(indexed: Path) -> None:
    library = StructureLibrary.open(indexed)
    paths = library.table["path"].tolist()
    assert library.read(paths[0]) is library.read(paths[0])
    first = library.read(paths[0])
    for number in range(KEPT_IN_MEMORY):
        copy = indexed / f"copy{number}.npz"
        copy.write_bytes(Path(paths[1]).read_bytes())
        library.read(str(copy))
    assert library.read(paths[0]) is not first


def test_folders_that_hold_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no structures"):
        StructureLibrary.open(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        StructureLibrary.open(tmp_path / "away")
    (tmp_path / "index.csv").write_text("file,name\na.npz,b\n")
    with pytest.raises(InputError, match="found no column class"):
        StructureLibrary.open(tmp_path)

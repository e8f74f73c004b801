"""Micrographs on disk: complete, resumable, reproducible, readable by RELION's conventions; and the pool."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest

from cryopick_cli.errors import ConfigError, CryopickError, InputError, OutputError
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.formats.star_blocks import find_block, read_star_blocks
from cryopick_cli.simulation.config import SimulationConfig
from cryopick_cli.simulation.folder import stem_of, write_micrographs_star
from cryopick_cli.simulation.pool import PoolConfig, SimulationPool, simulate_folder, stream_micrographs
from cryopick_cli.simulation.simulate import simulate_micrograph
from cryopick_cli.simulation.workers import seed_of

TINY = SimulationConfig(size_px=128)


def run(folder: Path, count: int, first: int = 0) -> list[str]:
    return list(
        simulate_folder(
            TINY, seed=5, numbers=range(first, first + count), out=folder, library=None, workers=0
        )
    )


def test_files_hold_what_was_simulated(tmp_path: Path) -> None:
    (stem,) = run(tmp_path, 1)
    simulated = simulate_micrograph(TINY, seed_of(5, 0))
    with mrcfile.open(tmp_path / f"{stem}.mrc") as handle:
        assert int(handle.header.mode) == 12
    micrograph = read_micrograph(tmp_path / f"{stem}.mrc")
    assert micrograph.pixel_size == pytest.approx(simulated.pixel_size, rel=1e-5)
    assert np.corrcoef(micrograph.array.ravel(), simulated.array.ravel())[0, 1] > 0.9999
    table = pd.read_csv(tmp_path / f"{stem}.csv")
    assert list(table.columns) == ["x", "y", "diameter_px", "visible", "ignore"]
    np.testing.assert_allclose(table["x"], simulated.reference["x"], atol=6e-4)
    kept = read_coordinates(tmp_path / f"{stem}.star")
    assert len(kept) == (~simulated.reference["ignore"]).sum()
    facts = json.loads((tmp_path / f"{stem}.json").read_text())
    assert facts["species"] == simulated.description["species"]


def test_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = run(tmp_path, 3)
    before = (tmp_path / f"{first[1]}.mrc").stat().st_mtime_ns
    (tmp_path / f"{first[2]}.csv").unlink()  # as if interrupted between micrograph and reference
    assert run(tmp_path, 4) == [first[2], "sim_0005_000003"]
    assert (tmp_path / f"{first[1]}.mrc").stat().st_mtime_ns == before


def test_a_micrograph_does_not_depend_on_how_many_are_made(tmp_path: Path) -> None:
    run(tmp_path / "a", 3)
    run(tmp_path / "b", 1, first=2)
    name = "sim_0005_000002.mrc"
    assert (tmp_path / "a" / name).read_bytes()[1024:] == (tmp_path / "b" / name).read_bytes()[1024:]


def test_micrographs_star_gives_name_pixel_size_and_defocus(tmp_path: Path) -> None:
    stems = run(tmp_path, 2)
    assert write_micrographs_star(tmp_path) == 2
    found = find_micrographs([tmp_path / "micrographs.star"])
    assert [source.path.stem for source in found] == stems
    facts = json.loads((tmp_path / f"{stems[0]}.json").read_text())
    assert found[0].pixel_size == pytest.approx(facts["pixel_size"], rel=1e-5)
    block = find_block(read_star_blocks(tmp_path / "micrographs.star"), "rlnDefocusU")
    assert block is not None
    middle = (block.floats("rlnDefocusU")[0] + block.floats("rlnDefocusV")[0]) / 2
    assert middle == pytest.approx(facts["optics"]["defocus"], abs=0.01)


def test_notes_that_are_gone_are_told(tmp_path: Path) -> None:
    (stem,) = run(tmp_path, 1)
    (tmp_path / f"{stem}.json").unlink()
    with pytest.raises(InputError, match=f"{stem}.json"):
        write_micrographs_star(tmp_path)


def test_impossible_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="numbers: found range"):
        run(tmp_path, 0)
    with pytest.raises(ConfigError, match="workers: found -1"):
        list(simulate_folder(TINY, seed=1, numbers=range(1), out=tmp_path, library=None, workers=-1))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        run(tmp_path / "file" / "below", 1)
    with pytest.raises(InputError, match="away"):
        list(
            simulate_folder(
                TINY, seed=1, numbers=range(1), out=tmp_path, library=tmp_path / "away", workers=1
            )
        )
    with pytest.raises(ConfigError, match=r"pool\.renewed: found 9"):
        PoolConfig(size=8, renewed=9)


def test_no_partial_files_stay_behind(tmp_path: Path) -> None:
    run(tmp_path, 2)
    assert {path.suffix for path in tmp_path.iterdir()} == {".mrc", ".csv", ".json", ".star"}


@pytest.mark.slow
def test_worker_processes_write_the_same_as_this_one(tmp_path: Path) -> None:
    run(tmp_path / "here", 2)
    stems = simulate_folder(TINY, seed=5, numbers=range(2), out=tmp_path / "there", library=None, workers=1)
    for stem in stems:
        here, there = (tmp_path / place / f"{stem}.csv" for place in ("here", "there"))
        assert here.read_text() == there.read_text()


@pytest.mark.slow
def test_stream_gives_the_numbers_in_order() -> None:
    stream = stream_micrographs(TINY, seed=9, library=None)
    seeds = [next(stream).description["seed"] for _ in range(3)]
    stream.close()
    assert seeds == [seed_of(9, number) for number in range(3)]


@pytest.mark.slow
def test_pool_moves_along_the_run(tmp_path: Path) -> None:
    settings = PoolConfig(size=3, renewed=2, seed=3)
    with SimulationPool(TINY, tmp_path, None, settings) as pool:
        rounds = [pool.make_round(number) for number in range(3)]
        assert rounds == [[stem_of(3, n) for n in range(first, first + 3)] for first in (0, 2, 4)]
        assert all((tmp_path / f"{stem}.csv").exists() for stem in rounds[2])
        assert not any((tmp_path / f"{stem_of(3, n)}.mrc").exists() for n in range(4))
    before = (tmp_path / f"{rounds[2][0]}.mrc").read_bytes()
    with SimulationPool(TINY, tmp_path, None, settings) as resumed:
        assert resumed.make_round(2) == rounds[2]
    assert (tmp_path / f"{rounds[2][0]}.mrc").read_bytes() == before


@pytest.mark.slow
def test_pool_says_what_a_worker_could_not_write(tmp_path: Path) -> None:
    (tmp_path / f"{stem_of(0, 0)}.mrc").mkdir()
    with (
        SimulationPool(TINY, tmp_path, None, PoolConfig(size=1, renewed=0)) as pool,
        pytest.raises(OutputError, match=stem_of(0, 0)),
    ):
        pool.make_round(0)


@pytest.mark.slow
def test_pool_refuses_micrographs_of_other_settings(tmp_path: Path) -> None:
    with SimulationPool(TINY, tmp_path, None, PoolConfig(size=1, renewed=0)) as pool:
        pool.make_round(0)
    with SimulationPool(TINY, tmp_path, None, PoolConfig(size=2, renewed=1)):  # size and pace may change
        pass
    other = SimulationConfig(size_px=192)
    with pytest.raises(OutputError, match="other settings"):
        SimulationPool(other, tmp_path, None, PoolConfig(size=1, renewed=0))


@pytest.mark.slow
def test_pool_says_that_a_worker_was_ended(tmp_path: Path) -> None:
    with SimulationPool(TINY, tmp_path, None, PoolConfig(size=1, renewed=0)) as pool:
        pool._executor.submit(os._exit, 1)
        with pytest.raises(CryopickError, match=r"ended from outside.*fewer pool\.workers"):
            pool.make_round(0)

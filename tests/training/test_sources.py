"""What a run draws from: files as they are, and simulated micrographs that are renewed round by round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.settings import from_mapping, to_mapping
from cryopick_cli.simulation.config import LayoutConfig, ParticleConfig, SimulationConfig
from cryopick_cli.simulation.pool import PoolConfig
from cryopick_cli.training.config import OptimiserConfig, SimulatedSourceConfig, TrainConfig
from cryopick_cli.training.loop import Progress
from cryopick_cli.training.sources import Sources
from cryopick_cli.training.train import SIMULATED_FOLDER, TrainingTask, train

Recipe = Callable[..., TrainConfig]
FRESH = SimulatedSourceConfig(
    name="fresh",
    share=3.0,
    settings=SimulationConfig(
        size_px=128,
        particles=ParticleConfig(procedural_share=1.0, orientations=4),
        layout=LayoutConfig(empty_probability=0.0),
    ),
    pool=PoolConfig(size=2, renewed=1, seed=8),
)


def test_a_simulated_source_is_part_of_a_recipe(recipe: Recipe) -> None:
    config = recipe(simulated=(FRESH,))
    assert config.shares == (1.0, 3.0)
    assert from_mapping(TrainConfig, to_mapping(config)) == config
    assert recipe(sources=(), simulated=(FRESH,)).shares == (3.0,)
    with pytest.raises(ConfigError, match="one name twice"):
        recipe(simulated=(FRESH, FRESH))
    for name in ("", "..", "a/b", ".hidden"):
        with pytest.raises(ConfigError, match="names a folder"):
            SimulatedSourceConfig(name=name)
    with pytest.raises(ConfigError, match="share 0"):
        SimulatedSourceConfig(share=0)


def test_structures_that_are_away_are_told_at_once(recipe: Recipe, tmp_path: Path) -> None:
    source = SimulatedSourceConfig(structures=Path("away"))
    with pytest.raises(InputError, match="away"):
        Sources(recipe(simulated=(source,)), tmp_path, tmp_path / "cache")


@pytest.mark.slow
def test_rounds_hold_files_and_fresh_micrographs(planted_data: Path, recipe: Recipe) -> None:
    with Sources(recipe(simulated=(FRESH,)), planted_data, planted_data / "cache") as sources:
        first, second = sources.list_round(0), sources.list_round(1)
    assert [one.path for one in first[0]] == [one.path for one in second[0]]
    assert [one.path.stem for one in first[1]] == ["sim_0008_000000", "sim_0008_000001"]
    assert [one.path.stem for one in second[1]] == ["sim_0008_000001", "sim_0008_000002"]
    assert all((one.reference[:, 2] > 0).all() for one in second[1])
    assert not first[1][0].path.exists()


@pytest.mark.slow
# Python 3.12 and later warn of any fork in a program with threads; torch's loader forks all the same.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_training_on_fresh_micrographs_goes_on_to_the_same_weights(
    tmp_path: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    config = recipe(
        sources=(), simulated=(FRESH,), optimiser=OptimiserConfig(steps=6, batch=2, warm_up=2), workers=1
    )
    train(config, TrainingTask(data=tmp_path, out=tmp_path / "whole"), cpu)
    steps: list[int] = []

    def report(progress: Progress) -> None:
        steps.append(progress.step)

    parted = TrainingTask(data=tmp_path, out=tmp_path / "parted")
    train(config, parted, cpu, report=report, stop=lambda: steps[-1:] == [3])
    train(config, replace(parted, resume=True), cpu, report=report)
    assert steps == [1, 2, 3, 4, 5, 6]
    kept = sorted(path.name for path in (tmp_path / "parted" / SIMULATED_FOLDER / "fresh").glob("*.csv"))
    assert kept[0] == "sim_0008_000002.csv"
    whole, pieces = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "parted"))
    assert all((whole[key] == pieces[key]).all() for key in whole)

"""`cryopick train` from the outside: whose settings count, what is written, statuses and messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

import cryopick_cli
from cryopick_cli.cli import training_run as command
from cryopick_cli.cli.main import cli
from cryopick_cli.formats.coordinates import MicrographInfo, WriteOptions, concat_coordinates
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import write_coordinates
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, ModelCard, OperatingPoint, read_card
from cryopick_cli.training.config import OptimiserConfig
from cryopick_cli.training.train import TrainingTask

RECIPE = """
workers = 0
checkpoint_every = 1
seed = 3

[[sources]]
name = "noise"
micrographs = "mics"
coordinates = "coords"

[network]
pyramid_channels = 8
head_depth = 1
head_norm_groups = 4

[crop]
size_px = 64
smallest_side_px = 64

[optimiser]
steps = 1
batch = 1
"""
Train = Callable[..., Result]
Planted = dict[str, tuple[pd.DataFrame, NDArray[np.float32]]]


@pytest.fixture
def project(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a micrograph with coordinates, and a recipe for it in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    write_micrograph(tmp_path / "data" / "mics" / "a.mrc", rng.normal(size=(80, 90)).astype(np.float32), 2.0)
    (tmp_path / "data" / "coords").mkdir()
    (tmp_path / "data" / "coords" / "a.csv").write_text("x,y,diameter\n40,40,24\n")
    (tmp_path / "data" / "recipe.toml").write_text(RECIPE)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["train", "--out", "mine", "--device", "cpu", *arguments])


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Give the list that fills with what the library is asked to do, in place of doing it."""
    calls: list[dict[str, Any]] = []

    def train(config: Any, task: TrainingTask, device: DeviceChoice, **others: Any) -> ModelCard:
        calls.append({"config": config, "device": device, **vars(task), **others})
        return ModelCard(name="mine", sha256="0", network=config.network, operating_point=OperatingPoint())

    def load_model(name: str, device: DeviceChoice) -> Model:
        network = NetworkConfig(pyramid_channels=24, head_depth=1)
        card = ModelCard(name=name, sha256="1" * 64, network=network, operating_point=OperatingPoint())
        return Model(RetinaNet(network), card, device)

    monkeypatch.setattr(command, "train_model", train)
    monkeypatch.setattr(command, "load_model", load_model)
    return calls


def test_a_recipe_is_followed_from_random_weights(asked: list[dict[str, Any]]) -> None:
    result = run("--config", "data/recipe.toml")
    assert result.exit_code == 0, result.output
    (call,) = asked
    assert call["data"] == Path("data")  # its relative paths start beside it
    assert call["out"] == Path("mine")
    assert call["initial"] is None
    assert call["resume"] is False
    assert call["config"].seed == 3
    assert call["config"].network.pyramid_channels == 8
    assert call["config"].optimiser == OptimiserConfig(steps=1, batch=1)
    assert call["device"].device.type == "cpu"


def test_options_win_over_the_recipe(asked: list[dict[str, Any]]) -> None:
    run("--config", "data/recipe.toml", "--data", "data/mics", "--steps", "7", "--seed", "0", "--resume")
    (call,) = asked
    assert call["data"] == Path("data/mics")
    assert call["config"].optimiser == OptimiserConfig(steps=7, batch=1)
    assert call["config"].seed == 0
    assert call["resume"] is True


def test_own_micrographs_fine_tune_the_shipped_weights(asked: list[dict[str, Any]]) -> None:
    own = ["--in", "data/mics", "--coordinates", "data/coords"]
    result = run(*own, "--diameter", "48A", "--seed", "5")
    assert result.exit_code == 0, result.output
    (call,) = asked
    assert call["initial"].card.name == DEFAULT_WEIGHTS
    assert call["config"].network == call["initial"].card.network
    assert call["config"].optimiser == command.FINE_TUNING
    assert call["config"].seed == 5
    (source,) = call["config"].sources
    assert source.micrographs == Path("data/mics").resolve()
    assert source.coordinates == Path("data/coords").resolve()
    assert source.diameter == "48A"
    assert call["about"]["initial_weights"] == {"name": DEFAULT_WEIGHTS, "sha256": "1" * 64}


@pytest.mark.parametrize(("init", "name"), [("none", None), ("other", "other")])
def test_the_start_can_be_chosen(init: str, name: str | None, asked: list[dict[str, Any]]) -> None:
    run("--in", "data/mics", "--coordinates", "data/coords", "--init", init)
    run("--config", "data/recipe.toml", "--init", init)
    for call in asked:
        assert (call["initial"] and call["initial"].card.name) == name


def test_the_card_tells_how_its_weights_were_made(asked: list[dict[str, Any]]) -> None:
    run("--config", "data/recipe.toml", "--steps", "2")
    assert asked[0]["about"] == {
        "command": "cryopick train --out mine --device cpu --config data/recipe.toml --steps 2",
        "version": cryopick_cli.__version__,
        "device": "cpu",
        "initial_weights": None,
    }


def test_weights_card_and_record_are_written(project: Path) -> None:
    result = run("--config", "data/recipe.toml")
    assert result.exit_code == 0, result.output
    assert "cryopick pick --weights mine" in result.stdout
    assert "Training: 1/1 steps, done in" in result.stderr
    assert "loss" in result.stderr
    card = read_card(Path("mine"))
    assert card.name == "mine"
    record = json.loads(Path("mine/run.json").read_text())
    assert record["command"] == "train"
    assert record["config"]["seed"] == 3
    assert record["weights"] == {"name": "mine", "sha256": card.sha256}
    assert "train" in record["timings_s"]
    again = run("--config", "data/recipe.toml")
    assert again.exit_code == 1
    assert "checkpoint.safetensors: is there already; add --resume" in again.stderr
    assert run("--config", "data/recipe.toml", "--resume", "--steps", "2").exit_code == 0
    assert read_card(Path("mine")).about["steps"] == 2


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give a recipe, or your own micrographs, and not both"),
        (("--config", "data/recipe.toml", "--in", "data/mics"), "and not both"),
        (("--in", "data/mics"), "--coordinates: missing"),
        (
            ("--in", "data/mics", "--coordinates", "data/coords", "--diameter", "48"),
            "expected a positive number",
        ),
        (("--config", "data/recipe.toml", "--diameter", "48A"), "--coordinates, --diameter: go with --in"),
        (("--config", "data/recipe.toml", "--coordinates", "data/coords"), "go with --in"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
        (("--in", "nowhere", "--coordinates", "data/coords"), "nowhere"),
        (("--config", "data/recipe.toml", "--steps", "0"), "--steps"),
        (("--config", "data/recipe.toml", "--seed", "-1"), "--seed"),
    ],
)
def test_wrong_usage_gives_status_two(arguments: tuple[str, ...], complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not Path("mine").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("steps = 1", "step = 1", r"recipe.toml.optimiser: found unknown ['step'], expected some of"),
        ("steps = 1", "steps = 'many'", "recipe.toml.optimiser.steps: found 'many'"),
        ("[crop]", "crop:", "recipe.toml: not TOML"),
        ("size_px = 64", "size_px = 65", "crop.size_px: found 65, expected a multiple of 64"),
        ('"mics"', '"nowhere"', "nowhere: is missing"),
        ('"coords"', '"mics"', "source noise: found no micrograph with coordinates"),
    ],
)
def test_what_a_recipe_gets_wrong_is_told_with_its_place(old: str, new: str, complaint: str) -> None:
    path = Path("data/recipe.toml")
    path.write_text(path.read_text().replace(old, new, 1))
    result = run("--config", str(path))
    assert result.exit_code == 1
    assert complaint in result.stderr.replace("\n", "")
    assert not Path("mine").exists()


@pytest.mark.usefixtures("project")
def test_unknown_weights_give_status_one_and_unknown_devices_status_two() -> None:
    own = ("--in", "data/mics", "--coordinates", "data/coords")
    result = run(*own, "--init", "nowhere")
    assert result.exit_code == 1
    assert "--init nowhere: found no folder" in result.stderr
    result = run(*own, "--device", "gpu")
    assert result.exit_code == 2
    assert "found 'gpu', expected auto, cpu" in result.stderr


@pytest.mark.usefixtures("project")
def test_coordinates_without_diameters_ask_for_one() -> None:
    Path("data/coords/a.csv").write_text("x,y\n40,40\n")
    result = run("--config", "data/recipe.toml")
    assert result.exit_code == 1
    assert "1 of its 1 coordinates have no diameter" in result.stderr


@pytest.fixture
def own(tmp_path: Path, asked: list[dict[str, Any]], planted: Planted) -> list[str]:
    """Write planted micrographs to `own` with coordinates in `right`, and give the options for them."""
    for stem, (table, array) in planted.items():
        write_micrograph(tmp_path / "own" / f"{stem}.mrc", array, 1.5)
        (tmp_path / "right").mkdir(exist_ok=True)
        write_coordinates(tmp_path / "right" / f"{stem}.star", table, "star")
    return ["--in", "own", "--diameter", "24A"]


def test_right_coordinates_are_said_to_fit(own: list[str], asked: list[dict[str, Any]]) -> None:
    result = run(*own, "--coordinates", "right")
    assert result.exit_code == 0, result.output
    assert "Check: the coordinates fit as they are (120 coordinates on 3 micrographs" in result.stderr
    assert len(asked) == 1


def test_coordinates_that_surely_do_not_fit_are_not_learnt(
    own: list[str], asked: list[dict[str, Any]], planted: Planted, fault: tuple[str, TransformConfig]
) -> None:
    name, transform = fault
    Path("wrong").mkdir()
    for stem, (table, array) in planted.items():
        moved = transform_coordinates(table, transform, shape=array.shape, where=stem)
        write_coordinates(f"wrong/{stem}.star", moved, "star")
    result = run(*own, "--coordinates", "wrong")
    assert result.exit_code == 1
    said = result.stderr.replace("\n", " ")
    assert f"{Path('wrong').resolve()}: found coordinates that are {name}, expected centres in px" in said
    assert "cryopick convert --" in said
    assert asked == []
    assert run(*own, "--coordinates", "wrong", "--no-check").exit_code == 0
    assert len(asked) == 1


def test_names_that_differ_by_cryosparcs_number_are_told(own: list[str]) -> None:
    for path in list(Path("right").iterdir()):
        path.rename(path.with_name(f"000123456789012345678_{path.name}"))
    result = run(*own, "--coordinates", "right")
    assert result.exit_code == 1
    said = result.stderr.replace("\n", " ")
    assert "000123456789012345678_m1.star for m1.mrc, which differ by cryoSPARC's number in front" in said
    assert "cryopick convert --micrographs" in said


@pytest.mark.parametrize("suffix", [".star", ".csv"])
def test_one_file_may_hold_the_coordinates_of_all_micrographs(
    own: list[str], asked: list[dict[str, Any]], planted: Planted, suffix: str
) -> None:
    tables = {f"J3/000123456789012345678_{stem}.mrc": table for stem, (table, _) in planted.items()}
    kind = "particles" if suffix == ".star" else "csv"
    write_coordinates(f"all{suffix}", concat_coordinates(tables), kind)
    result = run(*own, "--coordinates", f"all{suffix}")
    assert result.exit_code == 0, result.output
    assert "the coordinates fit as they are (120 coordinates on 3 micrographs" in result.stderr
    assert asked[0]["config"].sources[0].coordinates == Path(f"all{suffix}").resolve()


@pytest.mark.parametrize("flip_y", [False, True])
def test_cryosparcs_exposures_and_particles_are_trained_on_the_right_way_up(
    own: list[str], asked: list[dict[str, Any]], planted: Planted, flip_y: bool
) -> None:
    names = [f"own/{stem}.mrc" for stem in planted]
    exposures = np.zeros(
        3, dtype=[("uid", "<u8"), ("micrograph_blob/path", "S16"), ("micrograph_blob/psize_A", "<f4")]
    )
    exposures["uid"], exposures["micrograph_blob/path"] = [1, 2, 3], names
    exposures["micrograph_blob/psize_A"] = 1.5
    with Path("exposures.cs").open("wb") as file:
        np.save(file, exposures)
    infos = {
        name: MicrographInfo(shape=array.shape, uid=uid)
        for uid, (name, (_, array)) in enumerate(zip(names, planted.values(), strict=True), start=1)
    }
    tables = {name: table for name, (table, _) in zip(names, planted.values(), strict=True)}
    options = WriteOptions(micrographs=infos, cs_flip_y=flip_y)
    write_coordinates("selected.cs", concat_coordinates(tables), "cs", options)
    for coordinates in ("selected.cs", "selected.csg"):
        result = run("--in", "exposures.cs", "--coordinates", coordinates, "--diameter", "24A")
        assert result.exit_code == flip_y, result.output
        assert ("y flipped" in result.stderr) == flip_y
    assert len(asked) == (0 if flip_y else 2)

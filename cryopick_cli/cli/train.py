"""`cryopick train`: a recipe, or your own micrographs and coordinates, to weights. Options and words only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import cryopick_cli
from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.errors import ConfigError
from cryopick_cli.model.device import DeviceChoice, choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.settings import from_mapping, read_toml, to_mapping
from cryopick_cli.training.config import OptimiserConfig, SourceConfig, TrainConfig
from cryopick_cli.training.loop import Progress
from cryopick_cli.training.train import train as train_model

RANDOM_START = "none"
# Fine-tuning starts from good weights: few steps, small ones.
FINE_TUNING = OptimiserConfig(steps=600, learning_rate=2e-4, warm_up=50)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=options.SectionCommand)
@options.option("--config", "recipe", section=options.FILES, type=_FILE, metavar="TOML", help="A recipe.")
@options.option(
    "--data",
    section=options.FILES,
    type=_FOLDER,
    metavar="DIR",
    help="Folder at which the recipe's relative paths start. Default: the recipe's own.",
)
@options.option(
    "-i",
    "--in",
    "micrographs",
    section=options.FILES,
    type=_FOLDER,
    metavar="DIR",
    help="Your own micrographs.",
)
@options.option(
    "--coordinates",
    section=options.FILES,
    type=_FOLDER,
    metavar="DIR",
    help="A coordinate file (STAR, BOX, CBOX, CSV) for each of them, of the same stem.",
)
@options.option(
    "--diameter",
    section=options.PARTICLE,
    metavar="120A|90px",
    help="Particle diameter with its unit, where the coordinate files hold none (STAR, BOX).",
)
@options.output("Folder for the weights; its name becomes theirs.")
@options.option(
    "--init",
    section=options.RUNNING,
    metavar="NAME|DIR|none",
    help=f"Weights to start from. Default: {DEFAULT_WEIGHTS} for your own micrographs, none for a recipe.",
)
@options.option(
    "--steps", section=options.RUNNING, type=click.IntRange(min=1), help="Steps, if not the recipe's."
)
@options.device
@options.option("--resume", section=options.RUNNING, is_flag=True, help="Go on from the checkpoint in --out.")
@options.seed
@options.console
def train(
    recipe: Path | None,
    data: Path | None,
    micrographs: Path | None,
    coordinates: Path | None,
    diameter: str | None,
    out: Path,
    init: str | None,
    steps: int | None,
    device: str,
    resume: bool,
    seed: int,
    console: Console,
) -> None:
    """Train new weights from micrographs and coordinates.

    With --in and --coordinates the shipped weights are fine-tuned on your own micrographs. With --config a
    whole recipe is followed, which is how the shipped weights were made. Writes weights, model.json,
    history.json and a checkpoint to --out; `cryopick pick --weights OUT` uses them.
    """
    record = RunRecord.start()
    config = _configure(recipe, micrographs, coordinates, diameter, seed)
    if steps is not None:
        config = replace(config, optimiser=replace(config.optimiser, steps=steps))
    chosen = choose_device(device)
    console.say(f"Device: {chosen.device} ({chosen.reason})")
    initial = _initial_model(init or (RANDOM_START if recipe else DEFAULT_WEIGHTS), chosen)
    if initial is not None and recipe is None:
        config = replace(config, network=initial.card.network)
    record.config = to_mapping(config)
    folder = data or (recipe.parent if recipe else Path())
    with record.timed("train"), console.progress("Training", config.optimiser.steps, "steps") as advance:
        card = train_model(
            config,
            folder,
            out,
            chosen,
            initial=initial,
            resume=resume,
            about=_about(record, chosen, initial),
            report=lambda progress: advance(_in_words(progress)),
        )
    record.weights = {"name": card.name, "sha256": card.sha256}
    record.write(out / "run.json")
    console.print_facts([("Weights", str(out)), ("Use them", f"cryopick pick --weights {out}")])


def _configure(
    recipe: Path | None, micrographs: Path | None, coordinates: Path | None, diameter: str | None, seed: int
) -> TrainConfig:
    """Read the recipe, or make one for the user's own micrographs."""
    if (recipe is None) == (micrographs is None):
        raise click.UsageError("--config, --in: give a recipe, or your own micrographs, and not both")
    if recipe is not None:
        if coordinates is not None or diameter is not None:
            raise click.UsageError("--coordinates, --diameter: go with --in; a recipe names its own")
        config = from_mapping(TrainConfig, read_toml(recipe), recipe.name)
        typed = click.get_current_context().get_parameter_source("seed") is not ParameterSource.DEFAULT
        return replace(config, seed=seed) if typed else config
    if micrographs is None or coordinates is None:
        raise click.UsageError(
            "--coordinates: missing; give the folder with a coordinate file for each micrograph"
        )
    try:
        own = SourceConfig(
            name="own",
            micrographs=micrographs.resolve(),
            coordinates=coordinates.resolve(),
            diameter=diameter,
        )
        return TrainConfig(sources=(own,), optimiser=FINE_TUNING, seed=seed)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def _initial_model(name: str, device: DeviceChoice) -> Model | None:
    return None if name == RANDOM_START else load_model(name, device)


def _about(record: RunRecord, device: DeviceChoice, initial: Model | None) -> dict[str, Any]:
    return {
        "command": "cryopick " + " ".join(record.argv),
        "version": cryopick_cli.__version__,
        "device": str(device.device),
        "initial_weights": None
        if initial is None
        else {"name": initial.card.name, "sha256": initial.card.sha256},
    }


def _in_words(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}"

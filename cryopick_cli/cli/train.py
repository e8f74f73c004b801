"""`cryopick train`: a recipe, or your own micrographs and coordinates, to weights. Options and words only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.cli.training_run import FINE_TUNING, RANDOM_START, TrainingRun, load_initial
from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.atomic import check_folder
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS
from cryopick_cli.settings import from_mapping, read_toml
from cryopick_cli.training.config import SourceConfig, TrainConfig

RELION = "--relion"
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _TrainCommand(options.SectionCommand):
    """The command, which hands over to its form as a job of RELION where that is asked for."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Give the context of the form that the arguments ask for."""
        if RELION not in args:
            return super().make_context(info_name, args, parent, **extra)
        from cryopick_cli.cli.train_relion import train_relion

        rest = [argument for argument in args if argument != RELION]
        return train_relion.make_context(f"{info_name} {RELION}", rest, parent, **extra)


@click.command(cls=_TrainCommand)
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
    type=_EXISTING,
    metavar="DIR|STAR|CS",
    help="Your own micrographs: a folder, or a file of RELION or cryoSPARC that names them.",
)
@options.option(
    "--coordinates",
    section=options.FILES,
    type=_EXISTING,
    metavar="DIR|FILE",
    help="A folder with a coordinate file (STAR, BOX, CBOX, CSV) for each of them, of the same stem, or one "
    "file that names them, such as RELION's particles or autopick.star, or cryoSPARC's particles.",
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
@options.option(
    RELION,
    section=options.RUNNING,
    is_flag=True,
    expose_value=False,
    help="Run as an External job of RELION, with other options: see cryopick train --relion --help.",
)
@options.no_check
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
    no_check: bool,
    device: str,
    resume: bool,
    seed: int,
    console: Console,
) -> None:
    """Train new weights from micrographs and coordinates.

    With --in and --coordinates the shipped weights are fine-tuned on your own micrographs. With --config a
    whole recipe is followed, which is how the shipped weights were made. Writes weights, model.json,
    history.json, losses.csv and a checkpoint to --out; `cryopick pick --weights OUT` uses them.

    Your own coordinates are first compared with the micrographs. Where they are surely flipped, exchanged,
    scaled or shifted, nothing is trained; --no-check goes on all the same.
    """
    record = RunRecord.start()
    config = _configure(recipe, micrographs, coordinates, diameter, seed)
    if steps is not None:
        config = replace(config, optimiser=replace(config.optimiser, steps=steps))
    check_folder(out)
    chosen = choose_device(device)
    console.say(f"Device: {chosen.device} ({chosen.reason})")
    initial = load_initial(init or (RANDOM_START if recipe else DEFAULT_WEIGHTS), chosen)
    if initial is not None and recipe is None:
        config = replace(config, network=initial.card.network)
    folder = data or (recipe.parent if recipe else Path())
    run = TrainingRun(console, record, config, folder, out, chosen, initial)
    if recipe is None and not no_check:
        run.check()
    run.train(out / "run.json", resume=resume)
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

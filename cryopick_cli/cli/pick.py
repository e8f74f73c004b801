"""`cryopick pick`: micrographs in, coordinate files out. Words and exit status; no decisions about picks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.cli.run import PickingRun
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.relion_project import Project
from cryopick_cli.formats.star import SUFFIX_FILE, write_coords_suffix
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, find_weights, load_model
from cryopick_cli.picking.batch import Batch
from cryopick_cli.picking.config import WITHOUT_OPTION, PickConfig
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.run_folder import RunFolder

_WITHOUT_OPTION = (*WITHOUT_OPTION, "seed")  # the command has one seed for everything


@click.command(cls=options.SectionCommand)
@options.inputs
@options.output()
@options.pixel_size
@options.options_from(PickConfig, name="config", section=options.PARTICLE, leave_out=_WITHOUT_OPTION)
@options.options_from(OutputConfig, name="files", section=options.FILES)
@options.option(
    "--pictures",
    section=options.FILES,
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Draw the picks of N micrographs, spread over the run, to <stem>_picks.png.",
)
@options.weights
@options.device
@options.overwrite_or_resume
@options.seed
@options.console
def pick(
    inputs: tuple[str, ...],
    out: Path,
    pixel_size: float | None,
    config: PickConfig,
    files: OutputConfig,
    pictures: int,
    weights: str | None,
    device: str,
    overwrite: bool,
    resume: bool,
    seed: int,
    console: Console,
) -> None:
    """Pick particles in micrographs; the particle size need not be known.

    Writes into --out, in the folder tree of the input: <stem>_autopick.star (RELION) and <stem>.box (EMAN) of
    the accepted picks, autopick.star (RELION 4 and 5's list; from a micrographs STAR file RELION 3.1's
    coords_suffix_autopick.star too), picks.csv with every candidate, summary.csv
    with a row a micrograph, run.json, and pictures of some micrographs with their picks. Coordinates are
    centres in pixels of the micrograph, origin at the first stored pixel, y down the stored rows.
    """
    record = RunRecord.start()
    project = Project(out)
    sources = project.name_micrographs(find_micrographs(inputs))
    config = replace(config, seed=seed, box_size_px=files.box_size)
    chosen = choose_device(device)
    console.say(f"Device: {chosen.device} ({chosen.reason})")
    with record.timed("load weights"):
        model = load_model(weights or DEFAULT_WEIGHTS, chosen)
    folder = RunFolder(out, files)
    folder.prepare(sources, overwrite=overwrite, resume=resume)
    run = PickingRun(console, record, folder, Batch(model, config, pixel_size), sources, resume, pictures)
    run.describe(find_weights(weights or DEFAULT_WEIGHTS))
    run.calibrate()
    rows = run.pick()
    run.conclude(rows)
    if "star" in files.formats and (table := _only_star(inputs)):
        write_coords_suffix(out / SUFFIX_FILE, project.name(Path(table)), overwrite=True)
    if not all(row.done for row in rows):
        click.get_current_context().exit(1)


def _only_star(inputs: tuple[str, ...]) -> str | None:
    """Give the one micrographs STAR file that is the whole input, None where it is anything else."""
    return inputs[0] if len(inputs) == 1 and Path(inputs[0]).suffix == ".star" else None

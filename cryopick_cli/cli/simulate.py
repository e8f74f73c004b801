"""The command `cryopick simulate`: micrographs with known particle positions, on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.settings import from_mapping, read_toml, to_mapping
from cryopick_cli.simulation.config import SimulationConfig
from cryopick_cli.simulation.folder import write_micrographs_star
from cryopick_cli.simulation.pool import simulate_folder

FULL_SIZE_PX = 4096


@click.command(cls=options.SectionCommand)
@options.option(
    "--structures",
    section=options.FILES,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Structures to draw from: a folder with index.csv, or with PDB, mmCIF, MRC map or .npz files. "
    "Without it all particles are procedural shapes.",
)
@options.output("Folder for the micrographs. Those that are there already are left as they are.")
@options.option(
    "--config",
    "config_path",
    section=options.FILES,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Settings as TOML, in tables [particles], [layout], [optics], [detector], [junk] and [appearance]. "
    "What is not in it keeps its default; run.json in the output folder has all of them.",
)
@options.option(
    "--count",
    section="Simulation",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="How many micrographs.",
)
@options.option(
    "--first",
    section="Simulation",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Number of the first one, to add to a folder or to share a run between machines.",
)
@options.option(
    "--full-size",
    section="Simulation",
    is_flag=True,
    help=f"Micrographs of {FULL_SIZE_PX} px, as cameras write them, in place of 1024 px.",
)
@options.seed
@options.option(
    "--workers",
    section=options.RUNNING,
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Worker processes. The micrographs do not depend on their number.",
)
@options.console
def simulate(
    *,
    structures: Path | None,
    out: Path,
    config_path: Path | None,
    count: int,
    first: int,
    full_size: bool,
    seed: int,
    workers: int,
    console: Console,
) -> None:
    """Simulate micrographs with known particle positions.

    Each micrograph is an MRC file with its reference as CSV (x, y, diameter_px, visible, ignore), its
    coordinates as STAR, and notes on how it was made as JSON; micrographs.star lists all of them with their
    optics for RELION. The same seed gives the same micrographs.
    """
    config = SimulationConfig()
    if config_path is not None:
        config = from_mapping(SimulationConfig, read_toml(config_path), str(config_path))
    if full_size:
        config = replace(config, size_px=FULL_SIZE_PX)
    record = RunRecord.start()
    record.config = {"simulation": to_mapping(config), "seed": seed, "count": count, "first": first}
    made = 0
    with record.timed("simulating"), console.progress("Simulating", total=count) as advance:
        numbers = range(first, first + count)
        for stem in simulate_folder(
            config, seed=seed, numbers=numbers, out=out, library=structures, workers=workers
        ):
            advance(stem)
            made += 1
    listed = write_micrographs_star(out)
    record.write(out / "run.json")
    if made < count:
        console.say(f"{count - made} of {count} micrographs were there already.")
    console.say(f"{out}: {listed} micrographs, {made} of them new.")

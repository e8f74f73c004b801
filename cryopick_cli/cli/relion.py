"""`cryopick relion`: picking as an External job of RELION. Words and exit status; no decisions about picks.

What the job and RELION tell each other by files is in :mod:`cryopick_cli.formats.relion_job`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click
import torch

from cryopick_cli.cli import external_job, options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.external_job import ExternalJob, in_job, threads_and_control, warn_of_unused_labels
from cryopick_cli.cli.main import EXIT_INTERRUPTED
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.cli.run import PickingRun
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.relion_job import Outcome, RelionJob
from cryopick_cli.formats.relion_nodes import picking_nodes
from cryopick_cli.formats.relion_project import Project
from cryopick_cli.formats.star import SUFFIX_FILE, write_coords_suffix
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, find_weights, load_model
from cryopick_cli.picking.batch import Batch
from cryopick_cli.picking.config import WITHOUT_OPTION, PickConfig
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.run_folder import RunFolder
from cryopick_cli.report.logfile import LOGFILE, write_logfile


@click.command(cls=ExternalJob)
@in_job
@external_job.folder
@options.option(
    "--in_mics",
    "micrographs",
    section=external_job.JOB,
    required=True,
    metavar="STAR",
    help="Micrographs STAR file, such as CtfFind/job003/micrographs_ctf.star.",
)
@threads_and_control
@options.pixel_size
@options.options_from(PickConfig, name="config", section=options.PARTICLE, leave_out=WITHOUT_OPTION)
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
@options.overwrite
@options.weights
@options.device
@options.console
def relion(
    job: RelionJob,
    micrographs: str,
    threads: int | None,
    pixel_size: float | None,
    config: PickConfig,
    files: OutputConfig,
    pictures: int,
    overwrite: bool,
    weights: str | None,
    device: str,
    console: Console,
) -> None:
    """Pick particles as an External job of RELION 3.1, 4 or 5.

    In RELION's External job give `cryopick relion` as executable, a micrographs STAR file as input, and any
    of the options below as parameters: the label without hyphens, such as diameter, and its value, such as
    120A. An unknown label gives a warning.

    Run again (Continue, or by a scheme) it picks only what is new, with the diameter and threshold found the
    first time. It ends between two micrographs when RELION asks it to. It fails only if nothing could be
    picked; micrographs that failed are named in run.err and summary.csv, and the next run tries them again.
    """
    record = RunRecord.start()
    warn_of_unused_labels(console)
    if threads is not None:
        torch.set_num_threads(threads)
    project = Project(job.folder)
    sources = project.name_micrographs(find_micrographs([micrographs]))
    with_star = ",".join(dict.fromkeys(("star", *files.formats)))
    folder = RunFolder(job.folder, replace(files, format=with_star))
    folder.prepare(sources, overwrite=overwrite, resume=not overwrite)
    chosen = choose_device(device)
    console.say(f"Device: {chosen.device} ({chosen.reason})")
    with record.timed("load weights"):
        model = load_model(weights or DEFAULT_WEIGHTS, chosen)
    batch = Batch(model, replace(config, box_size_px=files.box_size), pixel_size)
    run = PickingRun(
        console, record, folder, batch, sources, not overwrite, pictures, lambda: job.abort_requested
    )
    run.describe(find_weights(weights or DEFAULT_WEIGHTS))
    _pick(job, project, run, micrographs)


def _pick(job: RelionJob, project: Project, run: PickingRun, micrographs: str) -> None:
    """Run the steps, write what RELION wants beside the picks, and settle how the job ended."""
    if job.abort_requested:
        _stop(job, run, "before it began; the folder is as it was")
    run.calibrate()
    rows = run.pick()
    candidates = run.conclude(rows)
    if len(rows) < len(run.sources):
        _stop(job, run, f"after {len(rows)} of {len(run.sources)} micrographs")
    if not any(row.done for row in rows):
        click.get_current_context().exit(1)
    write_coords_suffix(job.folder / SUFFIX_FILE, project.name(Path(micrographs)), overwrite=True)
    write_logfile(job.folder / LOGFILE, f"cryopick: {job.folder.as_posix()}", rows, candidates)
    if project.version is None:
        run.console.say(
            f"{job.folder}: found no pipeline of RELION beside it that tells the version, so its files are "
            "offered under the names of 3.1, 4.0 and 5.0 alike"
        )
    job.write_nodes(picking_nodes(project.version))
    job.outcome = Outcome.SUCCESS


def _stop(job: RelionJob, run: PickingRun, when: str) -> NoReturn:
    job.outcome = Outcome.ABORTED
    run.console.warn(f"stopped by RELION {when}")
    click.get_current_context().exit(EXIT_INTERRUPTED)

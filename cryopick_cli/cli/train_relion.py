"""`cryopick train --relion`: training as an External job of RELION, on particles that survived 2D classes.

Words and exit status only. What the job and RELION tell each other by files is in
:mod:`cryopick_cli.formats.relion_job`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import click
import torch

from cryopick_cli.cli import external_job, options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.external_job import ExternalJob, in_job, threads_and_control, warn_of_unused_labels
from cryopick_cli.cli.main import EXIT_INTERRUPTED
from cryopick_cli.cli.record import RunRecord, checksum_in_words, damaged, read_record, table_in
from cryopick_cli.cli.training_run import FINE_TUNING, INITIAL, RANDOM_START, TrainingRun, load_initial
from cryopick_cli.errors import InputError, OutputError
from cryopick_cli.formats.relion_job import Outcome, RelionJob
from cryopick_cli.formats.relion_nodes import TRAINING_NODES
from cryopick_cli.formats.star import read_star
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model
from cryopick_cli.report.training_log import write_training_log
from cryopick_cli.settings import differences, from_mapping
from cryopick_cli.training.config import SourceConfig, TrainConfig
from cryopick_cli.training.loss_log import LOSSES_FILE, read_losses
from cryopick_cli.units import Length

WEIGHTS_FOLDER = "weights"
RECORD_FILE = "run.json"
# An abort costs no step, a crash at most these.
_CHECKPOINT_EVERY = 100
# What a run that goes on may change of its settings.
_FREE = ("optimiser", "workers", "checkpoint_every", "validate_every")
# What to do where a run cannot be gone on with.
_ANEW = "start anew with the label overwrite"


@click.command(cls=ExternalJob, name="train --relion")
@in_job
@external_job.folder
@options.option(
    "--in_parts",
    "particles",
    section=external_job.JOB,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="STAR",
    help="Particles STAR file with the good particles, such as Select/job020/particles.star.",
)
@threads_and_control
@options.length("--diameter", required=True, help="Particle diameter with its unit.")
@options.pixel_size
@options.option(
    "--init",
    section=options.RUNNING,
    default=DEFAULT_WEIGHTS,
    show_default=True,
    metavar="NAME|DIR|none",
    help=f"Weights to start from; {RANDOM_START} for random ones.",
)
@options.option(
    "--steps",
    section=options.RUNNING,
    type=click.IntRange(min=1),
    default=FINE_TUNING.steps,
    show_default=True,
    metavar="N",
    help="Steps of training.",
)
@options.overwrite
@options.no_check
@options.device
@options.seed
@options.console
def train_relion(
    job: RelionJob,
    particles: Path,
    threads: int | None,
    diameter: Length,
    pixel_size: float | None,
    init: str,
    steps: int,
    overwrite: bool,
    no_check: bool,
    device: str,
    seed: int,
    console: Console,
) -> None:
    """Train weights as an External job of RELION 3.1, 4 or 5.

    In RELION's External job give `cryopick train --relion` as executable, a particles STAR file as input, and
    any of the options below as parameters: the label without hyphens, such as diameter, and its value, such
    as 120A. An unknown label gives a warning.

    The particles are those that a picker found and 2D classification kept; they are grouped by
    rlnMicrographName. Training stops where their coordinates surely do not fit the micrographs. The weights
    come to the job's folder `weights`: `cryopick pick --weights External/jobNNN/weights` uses them, and so
    does the label weights of `cryopick relion`. Run again (Continue) it goes on with what was left undone.
    """
    record = RunRecord.start()
    warn_of_unused_labels(console)
    if threads is not None:
        torch.set_num_threads(threads)
    _describe(particles, console)
    chosen = choose_device(device)
    console.say(f"Device: {chosen.device} ({chosen.reason})")
    initial = load_initial(init, chosen)
    source = SourceConfig(
        name="particles",
        micrographs=particles,
        coordinates=particles,
        diameter=f"{diameter.value:g}{diameter.unit}",
        pixel_size=pixel_size,
    )
    run = TrainingRun(
        console,
        record,
        _configure(source, steps, seed, initial),
        Path(),
        job.folder / WEIGHTS_FOLDER,
        chosen,
        initial,
        job.folder.resolve().name,
        lambda: job.abort_requested,
    )
    if not overwrite:
        _refuse_other_settings(run, job)
    if not no_check:
        run.check()
    _train(run, job, anew=overwrite)


def _configure(source: SourceConfig, steps: int, seed: int, initial: Model | None) -> TrainConfig:
    optimiser = replace(FINE_TUNING, steps=steps, warm_up=min(FINE_TUNING.warm_up, steps))
    config = TrainConfig(
        sources=(source,), optimiser=optimiser, checkpoint_every=_CHECKPOINT_EVERY, seed=seed
    )
    return config if initial is None else replace(config, network=initial.card.network)


def _describe(particles: Path, console: Console) -> None:
    table = read_star(particles)
    if "micrograph" not in table.columns or table.empty:
        raise InputError(
            f"{particles}: found {len(table)} particles without micrographs' names, expected particles with "
            "_rlnMicrographName; give the particles STAR file of a Select, Class2D or Extract job"
        )
    console.say(f"{len(table)} particles of {table['micrograph'].nunique()} micrographs")


def _refuse_other_settings(run: TrainingRun, job: RelionJob) -> None:
    """See that what is there was made with the same settings."""
    path = job.folder / RECORD_FILE
    if not path.exists():
        return
    earlier = read_record(path, _ANEW)
    with damaged(path, _ANEW):
        changed = _differences(run, earlier)
    if changed:
        raise OutputError(
            f"{path}: made with other settings than those of this run: {', '.join(changed)}; repeat the "
            f"labels of then, or {_ANEW}"
        )


def _differences(run: TrainingRun, earlier: Mapping[str, Any]) -> list[str]:
    """Name the settings that an earlier run had otherwise and that a run that goes on may not change."""
    told = from_mapping(TrainConfig, table_in(earlier, "config"), "config")
    kept = [field.name for field in fields(TrainConfig) if field.name not in _FREE]
    changed = [differences(getattr(told, name), getattr(run.config, name), name) for name in kept]
    initial = differences(_weights_in_words(earlier), _weights_in_words(run.record.results), INITIAL)
    return [*chain(*changed), *initial]


def _weights_in_words(record: Mapping[str, Any]) -> str:
    """Name the weights that training started from."""
    weights = table_in(record, INITIAL)
    return f"{weights.get('name')}, {checksum_in_words(weights.get('sha256'))}" if weights else RANDOM_START


def _train(run: TrainingRun, job: RelionJob, *, anew: bool) -> None:
    """Train, write what RELION wants beside the weights, and settle how the job ended.

    ``anew`` has weights that are there removed, once nothing but training is left to do.
    """
    if not job.abort_requested:
        if anew:
            shutil.rmtree(run.out, ignore_errors=True)
        run.record.write(job.folder / RECORD_FILE)
        run.train(job.folder / RECORD_FILE, resume=True)
    done = run.losses[-1][0] if run.losses else None
    if job.abort_requested:
        job.outcome = Outcome.ABORTED
        run.console.warn(f"stopped by RELION after {done or 0} of {run.config.optimiser.steps} steps")
        click.get_current_context().exit(EXIT_INTERRUPTED)
    log = job.folder / "logfile.pdf"
    if run.losses or not log.exists():
        words = [f"weights: {run.out.as_posix()}", f"particles: {run.config.sources[0].micrographs}"]
        losses = read_losses(run.out / LOSSES_FILE)
        write_training_log(log, f"cryopick: {job.folder.as_posix()}", words, losses)
    if done is None:
        run.console.say("All steps were done already")
    job.write_nodes(TRAINING_NODES)
    run.console.print_facts(
        [("Weights", run.out.as_posix()), ("Use them", f"cryopick pick --weights {run.out.as_posix()}")]
    )
    job.outcome = Outcome.SUCCESS

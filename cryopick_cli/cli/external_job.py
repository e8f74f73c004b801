"""What commands that run as External jobs of RELION share: options, marks, and how wrong usage is told.

What the job and RELION tell each other by files is in :mod:`cryopick_cli.formats.relion_job`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.relion_labels import sort_labels
from cryopick_cli.formats.relion_job import RelionJob

JOB = "RELION job"
_UNUSED = "cryopick.relion.unused"
_FOLDER = "--o"


class ExternalJob(options.SectionCommand):
    """A command that takes the arguments of RELION's External job, and whose refusals RELION hears of."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what an option knows; wrong usage leaves the failure mark, or RELION would wait for ever."""
        known, ctx.meta[_UNUSED] = sort_labels(args, self.get_params(ctx))
        try:
            return super().parse_args(ctx, list(known))  # click uses the list up
        except click.UsageError:
            following = known[known.index(_FOLDER) + 1 :] if _FOLDER in known else []
            if following:
                with RelionJob(Path(following[0])).running():
                    raise
            raise


def in_job(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the command its RELION job, and mark in the job's folder how the command ended."""

    @wraps(function)
    def command(*arguments: Any, out: Path, **options: Any) -> Any:
        job = RelionJob(out)
        with job.running():
            return function(*arguments, job=job, **options)

    return command


folder = options.option(
    _FOLDER,
    "out",
    section=JOB,
    required=True,
    type=click.Path(path_type=Path),
    metavar="External/jobNNN/",
    help="The job's folder; everything is written there.",
)


def threads_and_control(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--j``, handed over as ``threads``, and ``--pipeline_control``, which is taken and not needed."""
    threads = options.option(
        "--j",
        "threads",
        section=JOB,
        type=click.IntRange(min=1),
        metavar="N",
        help="Threads of the CPU. Default: as many as torch sees fit.",
    )
    control = options.option(
        "--pipeline_control", section=JOB, metavar="DIR", expose_value=False, help="Not needed."
    )
    return threads(control(function))


def warn_of_unused_labels(console: Console) -> None:
    """Name the labels typed in RELION's window that no option knows."""
    for unused in click.get_current_context().meta[_UNUSED]:
        console.warn(unused)

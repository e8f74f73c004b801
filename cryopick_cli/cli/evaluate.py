"""The command `cryopick evaluate`: picks against reference coordinates, figures on stdout and as JSON."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import click

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.errors import InputError
from cryopick_cli.evaluation import EvaluationConfig, EvaluationResult, Metrics, evaluate_picks
from cryopick_cli.evaluation.folders import add_ignored, choose_micrographs, pair_by_name, read_tables
from cryopick_cli.evaluation.orientation_reference import refuse_other_frame
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.units import Length

logger = logging.getLogger(__name__)

EXISTING = click.Path(exists=True, path_type=Path)
STDOUT = Path("-")
HEADERS = (
    "micrograph",
    "reference",
    "picks",
    "precision",
    "recall",
    "F1",
    "AP",
    "best F1",
    "diameter",
)


@click.command(cls=options.SectionCommand)
@options.option(
    "--picks",
    section=options.FILES,
    required=True,
    type=EXISTING,
    metavar="OUT|DIR|FILE",
    help="Output folder of cryopick pick, any folder with a coordinate file a micrograph, or one file.",
)
@options.option(
    "--reference",
    section=options.FILES,
    required=True,
    type=EXISTING,
    metavar="DIR|FILE",
    help="Reference coordinates, paired with the picks by the micrograph's name.",
)
@options.option(
    "--ignore",
    section=options.FILES,
    type=EXISTING,
    metavar="DIR|FILE",
    help="Coordinates of doubtful particles: picks on them count neither as right nor as wrong.",
)
@options.option(
    "--micrographs",
    section=options.FILES,
    multiple=True,
    metavar="DIR|GLOB|STAR|@LIST",
    help="Judge these micrographs only. May be given several times.",
)
@options.option(
    "--subset",
    section=options.FILES,
    multiple=True,
    metavar="GLOB",
    help="Judge micrographs whose name, without folder and suffix, fits. May be given several times.",
)
@options.option(
    "--json",
    "json_path",
    section=options.FILES,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the figures and the precision-recall curve as JSON; - for stdout, in place of the table.",
)
@options.overwrite
@options.length(
    "--diameter",
    help="Diameter of reference particles whose file gives none; in Å it needs --pixel-size.",
)
@options.pixel_size_for("for a --diameter in Å")
@options.options_from(EvaluationConfig, section="Matching", leave_out=("diameter_px",))
@options.no_check
@options.console
def evaluate(
    *,
    picks: Path,
    reference: Path,
    ignore: Path | None,
    micrographs: tuple[str, ...],
    subset: tuple[str, ...],
    json_path: Path | None,
    overwrite: bool,
    diameter: Length | None,
    pixel_size: float | None,
    config: EvaluationConfig,
    no_check: bool,
    console: Console,
) -> None:
    """Judge picks against reference coordinates.

    A pick matches a reference particle when their centres are no further apart than a quarter of the
    particle's diameter (--radius-fraction). Pairs are made one to one, nearest first. Precision, recall and
    F1 speak of the picks accepted in the run; AP (average precision) and the best F1 of all candidates,
    ranked by score. The diameter is that of the picks over that of the reference, as a median.

    A micrograph of the reference without picks counts as missed. Picks that surely lie in another frame than
    the reference (y flipped, x and y exchanged, scaled, shifted by half a box) are not judged; --no-check
    judges them all the same.
    """
    if diameter is not None:
        config = replace(config, diameter_px=diameter.in_px(pixel_size))
    watch = console.patient_progress
    judged = read_tables(reference, watch)
    if ignore is not None:
        judged = add_ignored(judged, read_tables(ignore, watch))
    names = [source.relative for source in find_micrographs(micrographs)] if micrographs else None
    judged = choose_micrographs(judged, subset, names)
    found = read_tables(picks, watch)
    paired = pair_by_name(found, judged)
    if found and not paired:
        raise InputError(
            f"{picks}: none of its {len(found)} micrographs is in the reference (found {min(found)}, "
            f"expected names like {min(judged)}); the names must agree but for folder and suffix"
        )
    if len(found) > len(paired):
        console.say(f"{len(found) - len(paired)} micrographs have picks but no reference: not judged.")
    if len(judged) > len(paired):
        console.say(f"{len(judged) - len(paired)} micrographs have a reference but no picks: all missed.")
    if not no_check:
        checked = refuse_other_frame(
            paired, judged, (str(picks), str(reference)), diameter_px=config.diameter_px
        )
        if checked is not None:
            logger.debug("check: %s", checked.message())
    _report(evaluate_picks(paired, judged, config, watch), console, json_path, overwrite=overwrite)


def _report(result: EvaluationResult, console: Console, json_path: Path | None, *, overwrite: bool) -> None:
    if json_path is not None:
        text = json.dumps(result.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if json_path == STDOUT:
            click.echo(text, nl=False)
            return
        write_text(json_path, text, overwrite=overwrite)
    rows = [_row(name, metrics) for name, metrics in result.per_micrograph.items()]
    console.print_table(HEADERS, [*rows, _row("all", result.pooled)])
    pooled = result.pooled
    console.print_facts(
        [
            ("", ""),
            ("micrographs judged", str(len(result.per_micrograph))),
            ("picks that match", str(pooled.counts.matched)),
            ("picks on places to ignore", str(pooled.counts.ignored)),
            ("best F1", f"{_figure(pooled.best_f1)} at score {_figure(pooled.best_threshold)} and above"),
            ("median diameter", f"{_figure(pooled.diameter_ratio)} of the reference"),
            ("median distance", f"{_figure(pooled.distance_px, 1)} px"),
        ]
    )


def _row(name: str, metrics: Metrics) -> list[str]:
    counts = metrics.counts
    return [
        name,
        str(counts.reference),
        str(counts.matched + counts.false_picks + counts.ignored),
        _figure(counts.precision),
        _figure(counts.recall),
        _figure(counts.f1),
        _figure(metrics.average_precision),
        _figure(metrics.best_f1),
        _figure(metrics.diameter_ratio),
    ]


def _figure(value: float, places: int = 3) -> str:
    """Write a figure, or a dash where there is none."""
    return "-" if value != value else f"{value:.{places}f}"

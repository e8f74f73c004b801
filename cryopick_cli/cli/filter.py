"""`cryopick filter`: a finished run cut anew. Words and exit status; no decisions about picks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import click
import pandas as pd
from click.core import ParameterSource

from cryopick_cli.cli import options
from cryopick_cli.cli.console import PATIENCE_S, Console
from cryopick_cli.cli.filter_input import FilterInput, read_input
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.errors import ConfigError, CryopickError, InputError
from cryopick_cli.formats.coordinates import concat_coordinates
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.picking.earlier_run import FROM_A_CUT, SUMMARY_FILE, UNFINISHED, Run, record_in
from cryopick_cli.picking.notes import Row
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.recut import FilterConfig, knows_threshold, recut
from cryopick_cli.picking.run_folder import RunFolder, picture_of
from cryopick_cli.report.logfile import LOGFILE, write_logfile
from cryopick_cli.report.overlay import draw_picks
from cryopick_cli.settings import to_mapping

_OPTION_OF = {"box_size_px": "--box-size"}


@click.command("filter", cls=options.SectionCommand)
@options.option(
    "-i",
    "--in",
    "source",
    section=options.FILES,
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR|FILE",
    help="The output folder of cryopick pick or relion; or picks.csv, a CBOX file, a folder of these.",
)
@options.option(
    "-o",
    "--out",
    section=options.FILES,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the results. Default: that of the run, which needs --overwrite.",
)
@options.option(
    "--format",
    "formats",
    section=options.FILES,
    metavar="NAMES",
    help="Coordinate files to write, parted by commas. Default: those of the run.",
)
@options.option(
    "--box-size",
    section=options.FILES,
    type=int,
    metavar="PX",
    help="Edge of the boxes in BOX and CBOX files, and of those that --edge auto keeps inside. Default: as "
    "in the run.",
)
@options.overwrite
@options.options_from(FilterConfig, name="config", section=options.PARTICLE, leave_out=("box_size_px",))
@options.console
def filter_(
    source: Path,
    out: Path | None,
    formats: str | None,
    box_size: int | None,
    overwrite: bool,
    config: FilterConfig,
    console: Console,
) -> None:
    """Cut a finished run anew, without picking again.

    Reads every candidate of the run, decides anew which are accepted, and writes all coordinate files, lists
    and tables: into --out, or in place with --overwrite. Every cut starts from the run as it was picked,
    also where the folder was cut before: what an earlier cut left out comes back, and limits that are not
    given are those of the run, not those of the earlier cut. run.json has the limits that hold now, and the
    record of the run. Picks of other origin, without run.json, are only cut by what is given.

    In place, pictures of the picks are drawn anew, or removed where their micrograph cannot be read. A cut
    that was interrupted is repeated by the same command.

    A run that was filtered cannot be resumed; use --out where micrographs are still to come.
    """
    record = RunRecord.start()
    in_place = out is None or out.resolve() == source.resolve()
    if in_place and not (overwrite and source.is_dir()):
        raise click.UsageError(
            f"--out: found none for {source}, expected a folder, or --overwrite to cut the run where it is"
        )
    if out is not None and source.is_file() and out.resolve() == source.resolve().parent:
        raise click.UsageError(
            f"--out: found the folder of {source} itself, expected another; to cut a run where it is, give "
            f"its folder as --in"
        )
    given = read_input(source)
    if in_place and not given.noted and (source / SUMMARY_FILE).is_file():
        raise InputError(
            f"{source}: found no notes of the run (.cryopick), expected them to replace its files where they "
            "lie; give another folder as --out, or copy the run with its hidden folder"
        )
    files = _files(given, formats, box_size, in_place=in_place)
    given.warn_of_what_is_missing(console)
    _warn_of_unknown_threshold(console, config, given.run)
    before = given.limits_before
    config = replace(_as_in_run(config, given.decided), box_size_px=files.box_size)
    target = RunFolder(source if out is None else out, files)
    record.config = {"filter": to_mapping(config), "files": to_mapping(files)}
    record.results = {"calibrations": given.record.get("calibrations", {}), "run": given.picked}
    if not given.as_picked:
        record.results = {**record.results, FROM_A_CUT: True}
    with record.timed("filter"):
        # All is cut before anything is written, so that a setting that does not fit leaves the run as it was.
        cut = {
            name: recut(picks, row, config) if row.done else picks for name, (row, picks) in given.run.items()
        }
        _begin(record, target, given, in_place=in_place, overwrite=overwrite)
        rows = _write(console, given.run, cut, target)
        if in_place:
            _redraw(console, target.folder, rows, cut)
    record.write_into(target)
    if before is not None and given.as_picked and (gone := _without(before, config)):
        console.say(f"No longer in force, as not given again: {', '.join(gone)} of the cut before")
    console.print_facts(_in_words(given, rows, target.folder, config))


def _begin(
    record: RunRecord, target: RunFolder, given: FilterInput, *, in_place: bool, overwrite: bool
) -> None:
    """Make the folder ready, and put down that its cut is not finished, so that it can be repeated.

    In place the notes of the run are what a repeated cut starts from; they are replaced one by one.
    """
    if in_place and not given.noted:
        target.adopt(given.run)
    if not in_place:
        again = overwrite or _holds_begun_cut(target, given.path)
        target.prepare(overwrite=again, resume=False, resumable=False)
    # The record comes first, so that a cut that is interrupted is not taken for a finished run.
    whole = record.results
    record.results = {**whole, UNFINISHED: True, "source": str(given.path.resolve())}
    record.write_into(target)
    record.results = whole


def _holds_begun_cut(target: RunFolder, source: Path) -> bool:
    """Tell whether a folder holds nothing but a cut of this run that was interrupted."""
    there = record_in(target.folder)
    return UNFINISHED in there and there.get("source") == str(source.resolve())


def _write(console: Console, run: Run, cut: Mapping[str, pd.DataFrame], target: RunFolder) -> list[Row]:
    """Write every micrograph as it was cut; give its row."""
    rows = []
    with console.progress("Writing", len(run), patience=PATIENCE_S) as advance:
        for name, (row, picks) in run.items():
            rows.append(target.write_picks(row, cut[name], picks) if row.done else row)
            advance(name)
    target.finish(rows, cut)
    return rows


def _redraw(console: Console, folder: Path, rows: Sequence[Row], cut: Mapping[str, pd.DataFrame]) -> None:
    """Draw anew what shows the picks before the cut: pictures, and the pages of a RELION job.

    A picture whose micrograph cannot be read from here is removed.
    """
    old = {row.name: path for row in rows if row.done and (path := picture_of(folder, row.relative)).exists()}
    drawn = [name for name, path in old.items() if _draw(path, Path(name), cut[name])]
    if old:
        console.say(f"Drew {len(drawn)} of {len(old)} pictures anew")
    if len(drawn) < len(old):
        console.warn(
            f"removed {len(old) - len(drawn)} pictures of micrographs that cannot be read from here, as they "
            "showed the picks before the cut"
        )
    pages = folder / LOGFILE
    if pages.exists():
        write_logfile(pages, f"cryopick: {folder.as_posix()}", rows, concat_coordinates(cut))


def _draw(path: Path, micrograph: Path, picks: pd.DataFrame) -> bool:
    """Draw a micrograph with its picks, or remove its picture; tell whether it was drawn."""
    try:
        array = read_micrograph(micrograph).array
    except (CryopickError, OSError, ValueError, MemoryError):
        path.unlink()
        return False
    draw_picks(path, array, picks)
    return True


def _in_words(
    given: FilterInput, rows: Sequence[Row], folder: Path, config: FilterConfig
) -> list[tuple[str, str]]:
    done = [row for row in rows if row.done]
    tables = [picks for _, picks in given.run.values()]
    accepted = sum(int(picks["accepted"].sum()) for picks in tables)
    limits = [f"{option} {value}" for option, value in _options(config).items()]
    return [
        ("Micrographs", f"{len(done)} of {len(rows)}"),
        ("Candidates", str(sum(map(len, tables)))),
        ("Accepted in the run" if given.as_picked else "Accepted before", str(accepted)),
        ("Limits", ", ".join(limits) or "those of the run"),
        ("Picks", f"{sum(row.picks for row in done)}"),
        ("Output", str(folder)),
    ]


def _as_in_run(config: FilterConfig, decided: FilterConfig) -> FilterConfig:
    """Fill in what the run decided and the user says nothing about."""
    return replace(decided, **{name: value for name, value in vars(config).items() if value is not None})


def _options(config: FilterConfig) -> dict[str, str]:
    """Write limits as they are typed."""
    given = {one.name: getattr(config, one.name) for one in fields(config)}
    return {
        _OPTION_OF.get(name, f"--{name.replace('_', '-')}"): str(value)
        for name, value in given.items()
        if value is not None
    }


def _without(before: FilterConfig, now: FilterConfig) -> list[str]:
    """List the limits of the cut before that do not hold now."""
    still = _options(now)
    return [
        f"{option} {value}"
        for option, value in _options(before).items()
        if still.get(option) != value and option not in _typed()
    ]


def _typed() -> set[str]:
    """Name the options that were given."""
    context = click.get_current_context()
    given = (
        one
        for one in context.command.params
        if context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
    )
    return {option for one in given for option in one.opts}


def _warn_of_unknown_threshold(console: Console, config: FilterConfig, run: Run) -> None:
    """Say where a wider limit cannot bring candidates back, because nothing tells their threshold."""
    asked = [f"--{name} {value}" for name in ("junk", "edge") if (value := getattr(config, name))]
    unknown = sum(not knows_threshold(picks) for row, picks in run.values() if row.done)
    if asked and config.threshold is None and unknown:
        console.warn(
            f"{', '.join(asked)}: found no threshold for {unknown} of {len(run)} micrographs, so none "
            "of their candidates comes back; give --threshold, that of the run to cut them as it did"
        )


def _files(
    given: FilterInput,
    formats: str | None,
    box_size: int | None,
    *,
    in_place: bool,
) -> OutputConfig:
    """Give which files to write; in place those that are there too, or they would tell of the cut before."""
    there = given.files
    names = [there.format] if formats is None or in_place else []
    box = there.box_size if box_size is None else box_size
    try:
        return OutputConfig(format=",".join([*names, *([formats] if formats else [])]), box_size=box)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error

"""`cryopick filter`: a finished run cut anew. Words and exit status; no decisions about picks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pandas as pd
from click.core import ParameterSource

from cryopick_cli.cli import options
from cryopick_cli.cli.console import PATIENCE_S, Console
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.errors import ConfigError, CryopickError, InputError
from cryopick_cli.formats.collection import read_collection
from cryopick_cli.formats.coordinates import concat_coordinates, empty_coordinates
from cryopick_cli.formats.inputs import output_tree
from cryopick_cli.formats.micrograph import read_micrograph, read_micrograph_header
from cryopick_cli.picking.notes import Row
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.recut import FilterConfig, knows_threshold, recut
from cryopick_cli.picking.run_folder import RECORD_FILE, SUMMARY_FILE, RunFolder, picture_of
from cryopick_cli.report.logfile import LOGFILE, write_logfile
from cryopick_cli.report.overlay import draw_picks
from cryopick_cli.settings import from_mapping, to_mapping

Run = dict[str, tuple[Row, pd.DataFrame]]

UNFINISHED = "unfinished"
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
    earlier = _read_record(source)
    picked = earlier.get("run", earlier) or str(source)  # of a cut of a cut, the run that picked
    noted, run = _read_run(source)
    if in_place and not noted and (source / SUMMARY_FILE).is_file():
        raise InputError(
            f"{source}: found no notes of the run (.cryopick), expected them to replace its files where they "
            "lie; give another folder as --out, or copy the run with its hidden folder"
        )
    files = _files(earlier, _settings(picked), formats, box_size, in_place=in_place)
    before = _limits_before(earlier)
    _warn_of_what_is_missing(console, source, noted=noted, cut_before=before is not None)
    _warn_of_unknown_threshold(console, config, run)
    config = replace(_as_in_run(config, _settings(picked)), box_size_px=files.box_size)
    target = RunFolder(source if out is None else out, files)
    record.config = {"filter": to_mapping(config), "files": to_mapping(files)}
    record.results = {"calibrations": earlier.get("calibrations", {}), "run": picked}
    with record.timed("filter"):
        # All is cut before anything is written, so that a setting that does not fit leaves the run as it was.
        cut = {name: recut(picks, row, config) if row.done else picks for name, (row, picks) in run.items()}
        if in_place:
            _secure(record, target, run, noted=noted)
        rows = _write(console, run, cut, target, overwrite=overwrite and not in_place, in_place=in_place)
        if in_place:
            _redraw(console, target.folder, rows, cut)
    record.write(target.folder / RECORD_FILE)
    if before is not None and (gone := _without(before, config)):
        console.say(f"No longer in force, as not given again: {', '.join(gone)} of the cut before")
    console.print_facts(_in_words(run, rows, target.folder, config))


def _secure(record: RunRecord, target: RunFolder, run: Run, *, noted: bool) -> None:
    """Put down what a cut in place starts from, so that it can be repeated where it is interrupted."""
    if not noted:
        target.adopt(run)
    # The record first, so that a cut that is interrupted is not taken for the run as picked.
    whole = record.results
    record.results = {**whole, UNFINISHED: True}
    record.write(target.folder / RECORD_FILE)
    record.results = whole


def _write(
    console: Console,
    run: Run,
    cut: Mapping[str, pd.DataFrame],
    target: RunFolder,
    *,
    overwrite: bool,
    in_place: bool,
) -> list[Row]:
    """Write every micrograph as it was cut; give its row."""
    # The notes in the run's own folder are replaced one by one, so that none is lost if this is interrupted.
    target.prepare(overwrite=overwrite, resume=in_place, resumable=False)
    rows = []
    with console.progress("Writing", len(run), patience=PATIENCE_S) as advance:
        for name, (row, picks) in run.items():
            rows.append(target.write_picks(row, cut[name], picks) if row.done else row)
            advance(name)
    target.finish(rows)
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


def _in_words(run: Run, rows: Sequence[Row], folder: Path, config: FilterConfig) -> list[tuple[str, str]]:
    done = [row for row in rows if row.done]
    picked = sum(int(picks["accepted"].sum()) for _, picks in run.values())
    limits = [f"{option} {value}" for option, value in _options(config).items()]
    return [
        ("Micrographs", f"{len(done)} of {len(rows)}"),
        ("Candidates", str(sum(len(picks) for _, picks in run.values()))),
        ("Accepted in the run", str(picked)),
        ("Limits", ", ".join(limits) or "those of the run"),
        ("Picks", f"{sum(row.picks for row in done)}"),
        ("Output", str(folder)),
    ]


def _read_run(source: Path) -> tuple[bool, Run]:
    """Read a run as it was picked, from its folder's own notes, else from its table or coordinate files.

    Tells whether it was from notes, too.
    """
    folder = RunFolder(source, OutputConfig())
    found = folder.read_run() if source.is_dir() else {}
    if any(row.done for row, _ in found.values()):
        return True, found
    read = {name: (_row_of(name, table), table) for name, table in read_collection([source]).items()}
    # A table has no line of micrographs without candidates, or of those that failed; the summary has.
    rest = {name: (row, empty_coordinates()) for name, row in folder.rows_of_summary().items()}
    return False, rest | read


def _row_of(name: str, table: pd.DataFrame) -> Row:
    """Make a row of what a coordinate file tells of its micrograph, and of the micrograph if it is there."""
    shape, pixel_size, box = None, None, None
    if (table["diameter_A"] > 0).any():
        pixel_size = float((table["diameter_A"] / table["diameter_px"]).median())
    if "box_size_px" in table and table["box_size_px"].notna().any():
        box = round(float(table["box_size_px"].median()))
    if Path(name).is_file():
        header = read_micrograph_header(Path(name))
        shape, pixel_size = header.shape, pixel_size or header.pixel_size
    return Row(
        name=name,
        relative=output_tree(name),
        stamp="",
        shape=shape,
        pixel_size=pixel_size,
        box_size_px=box,
    )


def _settings(record: object) -> dict[str, Any]:
    """Give the settings that a record tells; none of what is no record, such as a file's name."""
    return dict(record.get("config", {})) if isinstance(record, dict) else {}


def _as_in_run(config: FilterConfig, settings: dict[str, Any]) -> FilterConfig:
    """Fill in what the run decided and the user says nothing about."""
    decided = {name: settings.get("pick", {}).get(name) for name in ("junk", "edge")}
    given = {name: value for name, value in vars(config).items() if value is not None}
    return replace(from_mapping(FilterConfig, decided, RECORD_FILE), **given)


def _limits_before(earlier: dict[str, Any]) -> FilterConfig | None:
    """Give the limits of the cut that is cut again, None where the run itself is cut."""
    limits = _settings(earlier).get("filter")
    return None if limits is None else from_mapping(FilterConfig, limits, RECORD_FILE)


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


def _warn_of_what_is_missing(console: Console, source: Path, *, noted: bool, cut_before: bool) -> None:
    """Say where less than the whole run as it was picked is there to start from."""
    if not noted and cut_before:
        console.warn(
            f"{source}: what was accepted when picked is not told here, as this is the table of a cut (found "
            "no notes of the run); give the folder of the run to start from all that it accepted"
        )
    if noted and not (source / SUMMARY_FILE).is_file():
        console.warn(
            f"{source}: the run was not finished (found no {SUMMARY_FILE}); only what is there is cut, so "
            "finish it first, with the command that it was begun with"
        )


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
    earlier: dict[str, Any],
    settings: dict[str, Any],
    formats: str | None,
    box_size: int | None,
    *,
    in_place: bool,
) -> OutputConfig:
    """Give which files to write; in place those that are there too, or they would tell of the cut before."""
    there = _settings(earlier).get("files", {}).get("format", OutputConfig.format)
    names = [there] if formats is None or in_place else []
    box = settings.get("files", {}).get("box_size") if box_size is None else box_size
    try:
        return OutputConfig(format=",".join([*names, *([formats] if formats else [])]), box_size=box)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def _read_record(source: Path) -> dict[str, Any]:
    """Read the record beside a run; empty where there is none."""
    path = (source if source.is_dir() else source.parent) / RECORD_FILE
    if not source.exists():
        raise InputError(f"{source}: is missing (expected the folder of a run, or its picks); check the name")
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise TypeError(f"found {type(record).__name__}, expected an object")
    except (OSError, ValueError, TypeError) as error:
        raise CryopickError(f"{path}: not a run record ({error}); repair or remove it") from error
    return record

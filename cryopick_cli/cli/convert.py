"""The command `cryopick convert`: coordinates from one program's files to another's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import click
import pandas as pd

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.errors import InputError
from cryopick_cli.evaluation.folders import pair_names
from cryopick_cli.formats.collection import names_file, read_collection, write_collection
from cryopick_cli.formats.coordinates import MicrographInfo, WriteOptions
from cryopick_cli.formats.cryosparc import without_uid
from cryopick_cli.formats.inputs import MicrographSource, find_micrographs
from cryopick_cli.formats.micrograph import is_micrograph_name, read_micrograph_header, split_suffix
from cryopick_cli.formats.registry import FORMATS, CoordinateFormat, format_of
from cryopick_cli.formats.relion_project import Project
from cryopick_cli.formats.star import LIST_FILE, SUFFIX_FILE, write_coordinate_list, write_coords_suffix
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates

_SIZE = re.compile(r"^(\d+)x(\d+)$")
NAMES = click.Choice(list(FORMATS))


def _read_size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Read ``5760x4092`` as (rows, columns)."""
    if text is None:
        return None
    match = _SIZE.match(text)
    if match is None:
        raise click.BadParameter(f"found {text!r}, expected columns x rows like 5760x4092", ctx, parameter)
    return int(match.group(2)), int(match.group(1))


@click.command(cls=options.SectionCommand)
@options.option(
    "-i",
    "--in",
    "inputs",
    section=options.FILES,
    multiple=True,
    required=True,
    metavar="DIR|FILE",
    help="Coordinates: an output folder of cryopick pick, a folder with files of one format, RELION's "
    "autopick.star, or a file. May be given several times.",
)
@click.argument("more_inputs", nargs=-1, metavar="")
@options.output("Folder for the results, or a file where its ending tells the format.")
@options.option(
    "--from",
    "from_format",
    section=options.FILES,
    type=NAMES,
    help="Format of the input. Default: as the files' names tell.",
)
@options.option(
    "--to",
    "to_format",
    section=options.FILES,
    type=NAMES,
    help="Format of the output. Default: as the ending of --out tells.",
)
@options.option(
    "--micrographs",
    section=options.FILES,
    multiple=True,
    metavar="DIR|GLOB|STAR|CS|@LIST",
    help="The micrographs the coordinates are for: the output has their names, and their sizes are known. "
    "Coordinates of no micrograph among them are left out. May be given several times.",
)
@options.option(
    "--name",
    "pattern",
    section=options.FILES,
    metavar="PATTERN",
    help="Names of the micrographs in the output, made of {name} (as in the input), {folder}, {stem} and "
    "{suffix}, such as 'Movies/{stem}.mrc'; {bare} is the stem without cryoSPARC's number.",
)
@options.overwrite
@options.options_from(TransformConfig, name="transform", section="Coordinates")
@options.option(
    "--box-size",
    section="Coordinates",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Edge of the boxes of formats made of boxes. Default: that of the input, else 1.5 median diameters.",
)
@options.option(
    "--size",
    section="Coordinates",
    metavar="COLUMNSxROWS",
    callback=_read_size,
    help="Size of all micrographs in px, where --micrographs is not given and it is needed (mirroring, cs).",
)
@options.option(
    "--cs-flip-y",
    section="Coordinates",
    is_flag=True,
    help="Count y in cryoSPARC's files from the last row, on reading and writing.",
)
@options.console
def convert(
    *,
    inputs: tuple[str, ...],
    more_inputs: tuple[str, ...],
    out: Path,
    from_format: str | None,
    to_format: str | None,
    micrographs: tuple[str, ...],
    pattern: str | None,
    overwrite: bool,
    transform: TransformConfig,
    box_size: int | None,
    size: tuple[int, int] | None,
    cs_flip_y: bool,
    console: Console,
) -> None:
    """Convert coordinates between file formats.

    Reads and writes those of RELION, cryoSPARC, EMAN, EMAN2, crYOLO, Topaz, Warp and M, and plain tables, in
    every direction. Coordinates are moved in this order: cut by --threshold, --swap-xy, --scale, --shift,
    --flip-x, --flip-y.

    With --micrographs the output has the micrographs' names, found by file name whatever the folder, the
    suffix, and what cryoSPARC puts before and behind; formats with a file a micrograph follow the tree of
    that input.
    """
    known = _output_format(out, to_format)
    tables = read_collection((*inputs, *more_inputs), from_format, cs_flip_y=cs_flip_y)
    project = Project(out)
    sources = project.name_micrographs(find_micrographs(micrographs)) if micrographs else []
    targets = _targets(tables, sources, pattern)
    if len(targets) < len(tables):
        first = next(name for name in tables if name not in targets)
        console.warn(
            f"{len(tables) - len(targets)} coordinate tables fit no micrograph: left out (first: {first})"
        )
    if known.name == "star" and to_format is None and len(targets) > 1:
        known = FORMATS["particles"]
    # Sizes cost a look into every micrograph, so they are read only where something needs them.
    with_sizes = transform.needs_shape or known.name == "cs"
    infos = {name: target.info(size) if with_sizes else MicrographInfo() for name, target in targets.items()}
    converted = {
        target.name: transform_coordinates(tables[name], transform, shape=infos[name].shape, where=name)
        for name, target in targets.items()
    }
    write_options = WriteOptions(
        box_size_px=box_size,
        micrographs={target.name: infos[name] for name, target in targets.items()},
        cs_flip_y=cs_flip_y,
        overwrite=overwrite,
    )
    trees = {target.name: target.source.relative for target in targets.values() if target.source is not None}
    written = write_collection(out, converted, known, write_options, trees)
    if known.name == "star" and sources and not names_file(out, known):
        pairs = [(name, project.name(path)) for name, path in written.items()]
        write_coordinate_list(out / LIST_FILE, pairs, overwrite=overwrite)
        if len(micrographs) == 1 and micrographs[0].endswith(".star"):
            write_coords_suffix(out / SUFFIX_FILE, project.name(Path(micrographs[0])), overwrite=overwrite)
    _report(console, known, tables, converted, sorted(set(written.values())))


@dataclass(frozen=True)
class _Target:
    """The micrograph that coordinates are written for: its name in the output, its file if known."""

    name: str
    source: MicrographSource | None = None

    def info(self, size: tuple[int, int] | None) -> MicrographInfo:
        """Tell what formats store of it; ``size`` (rows, columns) stands in for an unknown one."""
        if self.source is None:
            return MicrographInfo(shape=size)
        source = self.source
        shape, pixel_size = source.shape or size, source.pixel_size
        if shape is None:
            header = read_micrograph_header(source.path)
            shape, pixel_size = header.shape, pixel_size or header.pixel_size
        return MicrographInfo(
            shape=shape, pixel_size=pixel_size, uid=source.uid, exposure_group=source.exposure_group
        )


def _output_format(out: Path, name: str | None) -> CoordinateFormat:
    known = FORMATS[name] if name is not None else None if out.is_dir() else format_of(out)
    if known is None:
        raise click.UsageError(
            f"--to: found no format for {out}, expected one of {', '.join(FORMATS)}; "
            "name it, or give --out a file's name"
        )
    return known


def _targets(
    tables: Mapping[str, pd.DataFrame], sources: Sequence[MicrographSource], pattern: str | None
) -> dict[str, _Target]:
    """Find the micrograph of each table and its name in the output."""
    if not sources:
        targets = {name: _Target(name) for name in tables}
    else:
        by_name = {source.name: source for source in sources}
        pairs = pair_names(tables, by_name)
        targets = {name: _Target(found, by_name[found]) for name, found in pairs.items() if found is not None}
        if tables and not targets:
            raise InputError(
                f"--micrographs: none of {len(tables)} coordinate tables "
                f"fits one of {len(sources)} micrographs "
                f"(found {min(tables)}, expected names like {sources[0].name}); the names must agree but for "
                "folder, suffix and what cryoSPARC puts before and behind"
            )
    if pattern is not None:
        return {name: replace(target, name=_fill(pattern, target.name)) for name, target in targets.items()}
    return targets


def _fill(pattern: str, name: str) -> str:
    path = PurePosixPath(name)
    stem, suffix = split_suffix(path.name) if is_micrograph_name(path.name) else (path.name, "")
    parts = {
        "name": name,
        "folder": path.parent.as_posix(),
        "stem": stem,
        "suffix": suffix,
        "bare": without_uid(stem),
    }
    try:
        return pattern.format_map(parts)
    except (KeyError, ValueError, IndexError) as error:
        raise click.UsageError(
            f"--name: found {pattern!r}, expected braces around {', '.join(parts)} only"
        ) from error


def _report(
    console: Console,
    known: CoordinateFormat,
    tables: Mapping[str, pd.DataFrame],
    converted: Mapping[str, pd.DataFrame],
    files: Sequence[Path],
) -> None:
    written = converted if known.rejected_too else {n: t[t["accepted"]] for n, t in converted.items()}
    console.print_facts(
        [
            ("micrographs", str(len(converted))),
            ("coordinates read", str(sum(len(table) for table in tables.values()))),
            ("coordinates written", str(sum(len(table) for table in written.values()))),
            ("format", f"{known.name} ({known.program})"),
            (
                "files",
                str(files[0]) if len(files) == 1 else f"{len(files)} below {os.path.commonpath(files)}",
            ),
        ]
    )

"""The command `cryopick check`: which micrographs read, which names pair, whether coordinates fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.cli import options
from cryopick_cli.cli.console import PATIENCE_S, Console
from cryopick_cli.errors import FormatError, InputError
from cryopick_cli.evaluation.folders import pair_names, read_tables
from cryopick_cli.evaluation.orientation import OrientationConfig, OrientationReport, Verdict
from cryopick_cli.evaluation.orientation_micrographs import check_on_micrographs, choose_micrographs
from cryopick_cli.evaluation.orientation_reference import check_on_reference
from cryopick_cli.formats.collection import read_collection
from cryopick_cli.formats.cryosparc import without_uid
from cryopick_cli.formats.inputs import MicrographSource, find_micrographs
from cryopick_cli.formats.micrograph import MicrographHeader, read_micrograph, read_micrograph_header
from cryopick_cli.progress import Advance
from cryopick_cli.units import Length

EXISTING = click.Path(exists=True, path_type=Path)
_SHOWN = 5


@click.command(cls=options.SectionCommand)
@options.option(
    "-i",
    "--in",
    "--micrographs",
    "micrographs",
    section=options.FILES,
    multiple=True,
    metavar="DIR|GLOB|STAR|CS|@LIST",
    help="Micrographs, as cryopick pick takes them. May be given several times.",
)
@options.option(
    "--picks",
    section=options.FILES,
    type=EXISTING,
    metavar="OUT|DIR|FILE",
    help="Coordinates to check: an output folder of cryopick pick, a folder of coordinate files, or a file.",
)
@options.option(
    "--reference",
    section=options.FILES,
    type=EXISTING,
    metavar="DIR|FILE",
    help="Other coordinates of the same micrographs, to check those against.",
)
@options.length("--diameter", help="Diameter of the particles. Default: as the coordinates tell.")
@options.option(
    "--box-size",
    section=options.PARTICLE,
    type=click.IntRange(min=1),
    metavar="PX",
    help="Box whose half the coordinates may be off by. Default: as they tell, else 1.5 diameters.",
)
@options.pixel_size
@options.options_from(
    OrientationConfig, name="config", section="Trying", leave_out=("diameter_px", "box_size_px", "seed")
)
@options.seed
@options.console
def check(
    *,
    micrographs: tuple[str, ...],
    picks: Path | None,
    reference: Path | None,
    diameter: Length | None,
    box_size: int | None,
    pixel_size: float | None,
    config: OrientationConfig,
    seed: int,
    console: Console,
) -> None:
    """Check micrographs and coordinates before they are used.

    With --in alone: does every micrograph read, of which sizes and pixel sizes are they? With --picks too: do
    the names pair, and do the coordinates fit the micrographs, or would they if y were flipped, x and y
    exchanged, scaled by a binning factor, or shifted by half a box? With --reference: do they fit other
    coordinates of the same micrographs?

    Each way to read the coordinates is tried; its evidence is how far it lies from chance, in standard
    deviations. Exit status 1 where something does not fit or does not read.
    """
    if picks is None and not micrographs:
        raise click.UsageError("--in, --picks: found neither, expected micrographs, coordinates or both")
    if picks is not None and reference is None and not micrographs:
        raise click.UsageError("--picks: found nothing to check them against; give --in or --reference")
    sources = find_micrographs(micrographs) if micrographs else []
    readable = _check_files(sources, console)
    fits = len(readable) == len(sources)
    if picks is not None:
        sized = diameter.in_px(pixel_size or _pixel_size(readable)) if diameter is not None else None
        config = replace(config, diameter_px=sized, box_size_px=box_size, seed=seed)
        tables = _read(picks, console)
        if sources:
            fits &= _check_on_micrographs(tables, readable, config, console)
        if reference is not None:
            fits &= _check_on_reference(tables, _read(reference, console), config, console)
    if not fits:
        click.get_current_context().exit(1)


def _read(path: Path, console: Console) -> dict[str, pd.DataFrame]:
    """Read a file, or RELION's list, or of a folder with several formats the one that holds most."""
    return read_collection([path]) if path.is_file() else read_tables(path, console.patient_progress)


def _check_files(sources: Sequence[MicrographSource], console: Console) -> list[MicrographSource]:
    """Read every header; tell sizes and pixel sizes; give the micrographs that read."""
    if not sources:
        return []
    readable = []
    shapes: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for source, header in _headers(sources, console):
        pixel_size = source.pixel_size or header.pixel_size
        readable.append(replace(source, shape=header.shape, pixel_size=pixel_size))
        shapes[f"{header.shape[1]} x {header.shape[0]}"] += 1
        sizes["unknown" if pixel_size is None else f"{pixel_size:.4g} Å"] += 1
    console.print_facts(
        [
            ("micrographs", f"{len(readable)} of {len(sources)} read"),
            ("size, px", _counted(shapes)),
            ("pixel size", _counted(sizes)),
        ]
    )
    return readable


def _headers(
    sources: Sequence[MicrographSource], console: Console
) -> Iterator[tuple[MicrographSource, MicrographHeader]]:
    """Read the headers; say which cannot be read."""
    with console.progress("Reading headers", len(sources), patience=PATIENCE_S) as advance:
        for source in sources:
            try:
                yield source, read_micrograph_header(source.path)
            except FormatError as error:
                console.fail(str(error))
            advance(source.name)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{text} ({count})" for text, count in counts.most_common()) or "-"


def _pixel_size(sources: Sequence[MicrographSource]) -> float | None:
    sizes = {source.pixel_size for source in sources}
    return sizes.pop() if len(sizes) == 1 else None


def _check_on_micrographs(
    tables: Mapping[str, pd.DataFrame],
    sources: Sequence[MicrographSource],
    config: OrientationConfig,
    console: Console,
) -> bool:
    by_name = {source.name: source for source in sources}
    paired = _pair(tables, list(by_name), "micrographs", console)
    named = {name: tables[found] for name, found in paired.items()}
    chosen = choose_micrographs(named, config)
    with console.progress("Checking", len(chosen)) as advance:
        report = check_on_micrographs(named, _arrays(chosen, by_name, advance), config)
    return _tell(report, console)


def _arrays(
    names: Sequence[str], sources: Mapping[str, MicrographSource], advance: Advance
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name in names:
        yield name, read_micrograph(sources[name].path).array
        advance(name)


def _check_on_reference(
    tables: Mapping[str, pd.DataFrame],
    reference: Mapping[str, pd.DataFrame],
    config: OrientationConfig,
    console: Console,
) -> bool:
    paired = _pair(tables, list(reference), "reference micrographs", console)
    named = {name: tables[found] for name, found in paired.items()}
    return _tell(check_on_reference(named, reference, config), console)


def _pair(
    tables: Mapping[str, pd.DataFrame], names: Sequence[str], what: str, console: Console
) -> dict[str, str]:
    """Pair names, and tell how: letter by letter, by file name, or after cutting cryoSPARC's number."""
    pairs = {name: found for name, found in pair_names(names, tables).items() if found is not None}
    if not pairs:
        raise InputError(
            f"names: none of {len(tables)} coordinate tables fits one of {len(names)} {what} (found "
            f"{min(tables, default='none')}, expected names like {names[0]}); "
            "cryopick convert --name renames them"
        )
    ways = Counter(_way(name, found) for name, found in pairs.items())
    console.print_facts(
        [("names", f"{len(pairs)} of {len(tables)} coordinate tables fit {what}: {_counted(ways)}")]
    )
    return pairs


def _way(name: str, other: str) -> str:
    if name == other:
        return "the same names"
    numbered = [without_uid(PurePosixPath(text).name) != PurePosixPath(text).name for text in (name, other)]
    return "but for cryoSPARC's number in front" if numbered[0] != numbered[1] else "but for folder or ending"


def _tell(report: OrientationReport, console: Console) -> bool:
    rows = [
        [
            one.frame.name,
            f"{one.evidence:.1f}",
            f"{one.share:.0%}",
            "-"
            if not one.offset or one.offset == (0.0, 0.0)
            else f"{one.offset[0]:.0f}, {one.offset[1]:.0f}",
        ]
        for one in report.findings[:_SHOWN]
    ]
    console.print_table(["coordinates read as", "evidence", "share", "shift, px"], rows)
    message = f"{report.verdict.value}: {report.message()}"
    if report.verdict is Verdict.MISMATCH:
        console.fail(message)
    elif report.verdict is Verdict.UNSURE:
        console.warn(message)
    else:
        console.say(message)
    return report.verdict is not Verdict.MISMATCH

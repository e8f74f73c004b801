"""Simulated micrographs on disk: the files of one, and the table of all in a folder.

``<stem>.mrc`` (float16, mean 0, deviation 1), ``<stem>.star`` (RELION coordinates, without those to ignore),
``<stem>.json`` (how it was made) and ``<stem>.csv`` (the reference), the last to be written: it marks a
finished micrograph. Coordinates are centres in px, first stored pixel (0, 0), y down. Who simulates is the
business of `pool`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from cryopick_cli.errors import InputError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.coordinates import WriteOptions, make_coordinates
from cryopick_cli.formats.delimited import write_csv
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.star import write_autopick_star
from cryopick_cli.formats.star_blocks import quoted, star_table
from cryopick_cli.simulation.simulate import SimulatedMicrograph
from cryopick_cli.simulation.structure import FloatArray

MICROGRAPHS_STAR = "micrographs.star"

_OPTICS_LABELS = (
    "rlnOpticsGroupName",
    "rlnOpticsGroup",
    "rlnMicrographPixelSize",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
)
_MICROGRAPH_LABELS = (
    "rlnMicrographName",
    "rlnOpticsGroup",
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnDefocusAngle",
    "rlnPhaseShift",
)


def stem_of(seed: int, number: int) -> str:
    """Give the file stem of micrograph ``number`` of a run with ``seed``."""
    return f"sim_{seed:04d}_{number:06d}"


def is_finished(folder: Path, stem: str) -> bool:
    """Tell whether all files of a micrograph are there."""
    return (folder / f"{stem}.csv").is_file()


def write_simulated(simulated: SimulatedMicrograph, folder: Path, stem: str) -> None:
    """Write the four files of one micrograph, each whole or not at all, the reference last.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    array = _standardised(simulated.array)
    write_micrograph(folder / f"{stem}.mrc", array, simulated.pixel_size, np.float16, overwrite=True)
    kept = simulated.reference[~simulated.reference["ignore"]]
    write_autopick_star(folder / f"{stem}.star", make_coordinates(kept["x"], kept["y"]), overwrite=True)
    facts = {
        "pixel_size": simulated.pixel_size,
        "optics": dataclasses.asdict(simulated.optics),
        **simulated.description,
    }
    write_text(folder / f"{stem}.json", json.dumps(facts, indent=1) + "\n", overwrite=True)
    write_csv(folder / f"{stem}.csv", simulated.reference, WriteOptions(overwrite=True))


def remove_simulated(folder: Path, stem: str) -> None:
    """Delete the files of one micrograph, the mark that it is finished first."""
    for suffix in (".csv", ".json", ".star", ".mrc"):
        (folder / f"{stem}{suffix}").unlink(missing_ok=True)


def _standardised(array: FloatArray) -> FloatArray:
    """Scale to mean 0 and deviation 1: float16 would round raw counts to the noise."""
    deviation = float(array.std())
    return np.asarray((array - array.mean()) / np.float32(deviation if deviation > 0 else 1.0))


def write_micrographs_star(folder: Path) -> int:
    """List all finished micrographs of a folder with their optics in ``micrographs.star``; gives how many.

    Every micrograph is an optics group of its own, for each has its own pixel size. Names are those in the
    folder.

    Raises
    ------
    InputError
        If the notes on a micrograph cannot be read.
    """
    optics, micrographs = [], []
    for number, path in enumerate(sorted(folder.glob("sim_*.csv")), start=1):
        facts = read_facts(folder, path.stem)
        lens = facts["optics"]
        optics.append(
            (
                f"opticsGroup{number}",
                str(number),
                f"{facts['pixel_size']:.6f}",
                f"{lens['voltage_kv']:.6f}",
                f"{lens['spherical_aberration_mm']:.6f}",
                f"{lens['amplitude_contrast']:.6f}",
            )
        )
        values = (
            lens["defocus"] + lens["astigmatism"],
            lens["defocus"] - lens["astigmatism"],
            lens["astigmatism_deg"],
            lens["phase_shift_deg"],
        )
        name = quoted(path.with_suffix(".mrc").name)
        micrographs.append((name, str(number), *(f"{value:.6f}" for value in values)))
    text = star_table("optics", _OPTICS_LABELS, optics) + star_table(
        "micrographs", _MICROGRAPH_LABELS, micrographs
    )
    write_text(folder / MICROGRAPHS_STAR, text, overwrite=True)
    return len(micrographs)


def read_facts(folder: Path, stem: str) -> dict[str, Any]:
    """Read the notes on one micrograph: pixel_size, optics, seed, species, effects and the rest.

    Raises
    ------
    InputError
        If they are gone or damaged.
    """
    path = folder / f"{stem}.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}), expected the notes on a simulated micrograph; delete the CSV "
            "file of that name and run again"
        ) from error
    return facts

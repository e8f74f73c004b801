"""Where does it break? Accuracy against diameter, against signal-to-noise ratio and against crowding.

    python benchmarks/ladders.py --structures ../shared/data/structures --out ladders

Simulated micrographs of two structures that the shipped weights were not trained on: a compact one (1A6E)
and an open one (6VSB). On each ladder one thing changes; the rest keeps the simulator's defaults, but for the
ladder of noise: clean micrographs of particles 40 px across in a view 1024 px wide, to which white noise is
added. There the ratio is the variance of the clean micrograph inside particles over that of the noise, pixel
by pixel at that scale. Prints Markdown tables and writes `OUT/ladders.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import LabelledSet, as_markdown, judge, load_set
from held_out_samples import one_sample, write_library
from numpy.typing import NDArray

from cryopick_cli.formats.micrograph import read_micrograph, write_micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, load_model
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.simulation.config import AppearanceConfig, JunkConfig, SimulationConfig
from cryopick_cli.simulation.pool import simulate_folder

STRUCTURES = ("1A6E", "6VSB")
DIAMETERS_PX = (12.0, 16.0, 24.0, 36.0, 54.0, 80.0, 120.0, 200.0)
RATIOS = (0.05, 0.035, 0.025, 0.018, 0.012, 0.008, 0.005)
COVERAGES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
USUAL_PX = 40.0
LADDERS = ("diameter", "noise", "coverage")
SEED = 55


def of_any_size(diameter: float) -> SimulationConfig:
    """Give particles of a diameter, px, whatever pixel size that takes; else shapes stand in for them."""
    usual = one_sample(diameter)
    return replace(usual, particles=replace(usual.particles, pixel_size=(0.3, 30.0)))


def crowded(coverage: float) -> SimulationConfig:
    """Give particles that cover a share of the area, as near to each other as that takes."""
    usual = one_sample(USUAL_PX)
    layout = replace(
        usual.layout, coverage=(coverage, coverage), spacing=(0.7, 0.7), clustered_probability=0.0,
        uneven_probability=0.0,
    )  # fmt: skip
    return replace(usual, layout=layout)


def clean() -> SimulationConfig:
    """Give micrographs in which next to nothing but particles is seen."""
    usual = crowded(0.2)
    return replace(
        usual,
        detector=replace(
            usual.detector, dose=(60.0, 60.0), quantum_efficiency=(0.9, 0.9),
            least_detectability=(150.0, 150.0), hot_pixel_probability=0.0, dead_line_probability=0.0,
            stripe_probability=0.0,
        ),
        junk=JunkConfig(strength=0.0, ice_noise=(0.05, 0.05)),
        appearance=AppearanceConfig(filtered_probability=0, denoised_probability=0, eight_bit_probability=0),
    )  # fmt: skip


def add_noise(folder: Path, ratio: float) -> Path:
    """Write noisy copies of a folder of clean micrographs, with their coordinates; gives their folder."""
    noisy = folder.with_name(f"{folder.name}_{ratio}")
    noisy.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.mrc")):
        array = read_micrograph(path).array
        reference = path.with_suffix(".csv")
        inside = in_particles(array.shape, pd.read_csv(reference))
        sigma = float(np.sqrt(array[inside].var() / ratio))
        noise = np.random.default_rng([SEED, len(array[inside])]).normal(0, sigma, array.shape)
        write_micrograph(noisy / path.name, (array + noise).astype(np.float32), overwrite=True)
        (noisy / reference.name).write_bytes(reference.read_bytes())
    return noisy


def in_particles(shape: tuple[int, ...], reference: pd.DataFrame) -> NDArray[np.bool_]:
    """Mark the discs of all particles."""
    rows, columns = np.indices(shape)
    inside = np.zeros(shape, dtype=bool)
    for x, y, diameter in reference[["x", "y", "diameter_px"]].to_numpy():
        inside |= (columns - x) ** 2 + (rows - y) ** 2 <= (diameter / 2) ** 2
    return inside


def covered(files: list[Path], reference: dict[str, pd.DataFrame]) -> float:
    """Give the mean share of the area that the discs of particles would fill side by side."""
    shares = [
        (np.pi / 4 * reference[file.stem]["diameter_px"] ** 2).sum() / read_micrograph(file).array.size
        for file in files
    ]
    return float(np.mean(shares))


def rungs(structures: Path, out: Path, name: str, ladder: str, count: int) -> Iterator[tuple[str, Path]]:
    """Simulate all rungs of a ladder with one structure: rung, folder."""
    library = out / "libraries" / name
    write_library(structures, library, only=name)

    def simulate(folder: str, config: SimulationConfig) -> Path:
        path = out / "samples" / name / folder
        list(simulate_folder(config, seed=SEED, numbers=range(count), out=path, library=library, workers=2))
        return path

    if ladder == "diameter":
        for diameter in DIAMETERS_PX:
            yield f"{diameter:.0f} px", simulate(f"diameter_{diameter:.0f}", of_any_size(diameter))
    if ladder == "noise":
        for ratio in RATIOS:
            yield str(ratio), add_noise(simulate("clean", clean()), ratio)
    if ladder == "coverage":
        for coverage in COVERAGES:
            yield str(coverage), simulate(f"coverage_{coverage}", crowded(coverage))


def main() -> None:
    """Parse the command line, simulate, judge, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--count", type=int, default=4, help="micrographs a rung")
    parser.add_argument("--ladder", action="append", choices=LADDERS)
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    record = options.out / "ladders.json"
    tables = json.loads(record.read_text()) if record.exists() else {}
    for ladder in options.ladder or LADDERS:
        rows: dict[str, dict[str, object]] = {}
        for name in STRUCTURES:
            for rung, folder in rungs(options.structures, options.out, name, ladder, options.count):
                files, reference = load_set(Path(), LabelledSet(rung, str(folder), str(folder)), 1000)
                found = judge(model, f"{name} {rung}", files, reference, PickConfig())
                row = rows.setdefault(rung, {ladder: rung})
                row[f"{name}: covered"] = round(covered(files, reference), 3)
                for key in ("reference", "AP", "best F1", "F1 at auto", "diameter ratio"):
                    row[f"{name}: {key}"] = found[key]
                print(json.dumps(row), flush=True)
        tables[ladder] = list(rows.values())
        record.write_text(json.dumps(tables, indent=1) + "\n")
        print(f"\n{ladder}\n\n" + as_markdown(tables[ladder]))


if __name__ == "__main__":
    main()

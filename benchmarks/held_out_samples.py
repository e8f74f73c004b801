"""Simulate the nine samples that weights are judged by and never trained on, a folder a sample.

    python benchmarks/held_out_samples.py --structures ../shared/data/structures --out held_out
    python benchmarks/accuracy.py --data ../shared/data --sets none --no-false-picks \
        --simulated held_out/samples

Diameters go from 14 to 190 px in a view 1024 px wide. The structures are those that the recipes in `weights/`
leave out; `--training` writes the library of all others. `--development` simulates other samples, on which
rules between network and picks may be settled; one micrograph in eight of theirs holds no particle.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cryopick_cli.simulation.config import ParticleConfig, SimulationConfig
from cryopick_cli.simulation.pool import simulate_folder

SAMPLES = {
    "1DGB": 14.0,
    "1LNL": 19.0,
    "1A6E": 27.0,
    "6VSB": 37.0,
    "6B5B": 52.0,
    "5GJV": 72.0,
    "3IPM-map5": 100.0,
    "1B35": 137.0,
    "5MRC-map10": 190.0,
}
"""Structure -> diameter, px. Kept out of training."""

DEVELOPMENT = {
    "6Z6U": 20.0,
    "6ITC": 24.0,
    "1MNF": 28.0,
    "1FUI": 32.0,
    "6WNK": 36.0,
    "5WUA": 40.0,
    "4V5A": 44.0,
    "1IGT": 48.0,
    "6Q20": 54.0,
    "1FNT": 62.0,
    "1E9Y": 75.0,
    "4V6X": 95.0,
    "2HWE": 130.0,
    "1EAB": 160.0,
}
"""Structure -> diameter, px. For settling rules: some were trained on, by other micrographs."""


def one_sample(diameter: float, empty: float = 0.0) -> SimulationConfig:
    """Give the simulator's defaults for one kind of particle at one diameter, and a share of empty views."""
    config = SimulationConfig()
    particles = replace(
        ParticleConfig(),
        diameter_px=(diameter, diameter),
        procedural_share=0.0,
        second_species_probability=0.0,
    )
    return replace(config, particles=particles, layout=replace(config.layout, empty_probability=empty))


def write_library(structures: Path, folder: Path, *, only: str | None = None) -> None:
    """Write a structure library that holds one structure, or all but those that are kept for judging."""
    index = pd.read_csv(structures / "index.csv")
    chosen = index[index["id"] == only if only else ~index["id"].isin(list(SAMPLES))].copy()
    chosen["file"] = [str((structures / file).resolve()) for file in chosen["file"]]
    folder.mkdir(parents=True, exist_ok=True)
    chosen.to_csv(folder / "index.csv", index=False)


def main() -> None:
    """Parse the command line and simulate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8, help="micrographs a sample")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument(
        "--training", action="store_true", help="write the library without the samples to --out, and stop"
    )
    parser.add_argument("--development", action="store_true", help="simulate the development samples")
    options = parser.parse_args()
    if options.training:
        write_library(options.structures, options.out)
        return
    samples, empty = (DEVELOPMENT, 0.125) if options.development else (SAMPLES, 0.0)
    for name, diameter in samples.items():
        library = options.out / "libraries" / name
        write_library(options.structures, library, only=name)
        folder = options.out / "samples" / f"{diameter:03.0f}px_{name}"
        made = simulate_folder(
            one_sample(diameter, empty),
            seed=options.seed,
            numbers=range(options.count),
            out=folder,
            library=library,
            workers=2,
        )
        print(folder, len(list(made)))


if __name__ == "__main__":
    main()

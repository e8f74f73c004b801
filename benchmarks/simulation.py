"""Time of `simulate_micrograph` by number of particles, size of the structure and size of the micrograph.

    OMP_NUM_THREADS=1 python benchmarks/simulation.py --structures ../shared/data/structures

One process, one thread. Every figure is the median over seeds of wall and processor time of one call; the
structures have been read before. On a busy machine look at the processor time. No file is written.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from cryopick_cli.simulation.config import LayoutConfig, ParticleConfig, SimulationConfig
from cryopick_cli.simulation.simulate import simulate_micrograph
from cryopick_cli.simulation.structures import StructureLibrary


def crowded(
    count: int, diameter_px: float, *, size_px: int = 1024, procedural: bool = True
) -> SimulationConfig:
    """Give a config whose micrographs hold ``count`` particles, with the usual junk."""
    return SimulationConfig(
        size_px=size_px,
        particles=ParticleConfig(
            diameter_px=(diameter_px, diameter_px),
            procedural_share=float(procedural),
            second_species_probability=0.0,
        ),
        layout=LayoutConfig(
            empty_probability=float(count == 0),
            most_particles=max(count, 1),
            coverage=(1.0, 1.0),
            spacing=(0.3, 0.3),
            clustered_probability=0.0,
            uneven_probability=0.0,
        ),
    )


def measure(config: SimulationConfig, library: StructureLibrary, repeats: int) -> tuple[float, float, float]:
    """Give the medians of wall time, processor time (s) and number of particles."""
    wall, processor, counts = [], [], []
    for seed in range(repeats):
        simulate_micrograph(config, seed, library)  # reads the structure
        before, used = time.perf_counter(), time.process_time()
        simulated = simulate_micrograph(config, seed, library)
        wall.append(time.perf_counter() - before)
        processor.append(time.process_time() - used)
        counts.append(len(simulated.reference))
    return statistics.median(wall), statistics.median(processor), statistics.median(counts)


def main() -> None:
    """Run all cases and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--structures", type=Path, help="folder of structures; without it shapes alone are timed"
    )
    parser.add_argument("--repeats", type=int, default=9, help="micrographs a case (default 9)")
    parser.add_argument("--full-size", action="store_true", help="time 4096 px too")
    arguments = parser.parse_args()
    library = StructureLibrary.open(arguments.structures)
    cases = [
        ("1024 px, no particles", crowded(0, 40.0)),
        *((f"1024 px, shapes of 40 px, {count} particles", crowded(count, 40.0)) for count in (50, 200, 800)),
        ("1024 px, shapes of 150 px, 200 particles", crowded(200, 150.0)),
    ]
    if arguments.structures:
        for diameter in (20.0, 60.0, 150.0):
            name = f"1024 px, structures of {diameter:g} px, 200 particles"
            cases.append((name, crowded(200, diameter, procedural=False)))
    if arguments.full_size:
        cases.append(("4096 px, shapes of 40 px at 1024, 200 particles", crowded(200, 40.0, size_px=4096)))
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}\n")
    print("| case | wall, s | processor, s | particles |\n|---|---|---|---|")
    for name, config in cases:
        wall, processor, found = measure(config, library, arguments.repeats)
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {found:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""How near picks come to where the particles are, in pixels of the micrograph, at many sizes of both.

    python benchmarks/centres.py
    python benchmarks/centres.py --quality best --first 4
    python benchmarks/centres.py --noise 0.0025
    python benchmarks/centres.py --working-px 80

Projected balls are planted in white noise, in which they are easy to see (or as hard as `--noise` makes it):
what is measured is how exactly what is surely seen is placed, and the way from the file's pixels to the
network's and back. No ball is nearer to another than 1.1 diameters. Prints a row a micrograph: particles,
those without a pick of their own within a quarter of the diameter, picks without a particle, and median, 95th
percentile and largest distance of the others, px. `accuracy.py` gives the median distance for labelled sets.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import as_markdown
from numpy.typing import NDArray

from cryopick_cli.evaluation.matching import UNMATCHED, match_nearest_first
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.calibrate import calibrate
from cryopick_cli.picking.config import QUALITIES, PickConfig
from cryopick_cli.picking.pick import pick_micrograph

Floats = NDArray[np.float64]

MICROGRAPHS = (
    ((1024, 1024), 20.0),
    ((1024, 1024), 40.0),
    ((1024, 1024), 60.0),
    ((1023, 1531), 60.0),
    ((3710, 3838), 60.0),
    ((4096, 4096), 60.0),
    ((4092, 5760), 60.0),
    ((8184, 11520), 60.0),
    ((3710, 3838), 120.0),
    ((4096, 4096), 150.0),
    ((4092, 5760), 250.0),
    ((8184, 11520), 300.0),
)
"""(rows, columns) and diameter, px."""

NOISE = 1 / 150
"""Standard deviation of the noise over the depth of a ball, for each pixel of diameter."""


def with_balls(shape: tuple[int, int], diameter: float, noise: float) -> tuple[Micrograph, Floats]:
    """Plant balls about one and a half diameters apart in noise; gives the centres, (n, 2) of x and y, px."""
    rng = np.random.default_rng([*shape, int(diameter)])
    array = rng.standard_normal(shape, dtype=np.float32) * np.float32(noise * diameter)
    grid = [np.arange(diameter, side - diameter, 1.5 * diameter) for side in shape]
    y, x = np.meshgrid(*grid, indexing="ij")
    centres = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.2, 0.2, (x.size, 2)) * diameter
    half = int(diameter / 2) + 2
    for column, row in centres:
        left, top = int(np.rint(column)) - half, int(np.rint(row)) - half
        window = slice(top, top + 2 * half + 1), slice(left, left + 2 * half + 1)
        rows, columns = np.mgrid[window]
        depth = 1 - ((columns - column) ** 2 + (rows - row) ** 2) / (diameter / 2) ** 2
        array[window] -= np.sqrt(np.clip(depth, 0, None)).astype(np.float32)
    return Micrograph(array, None, Path(f"balls of {diameter:g} px")), centres


def showing(model: Model, diameter_px: float) -> Model:
    """Give the model with particles shown to it that large, px, in place of its card's working diameter."""
    point = replace(model.card.operating_point, working_diameter_px=diameter_px)
    return replace(model, card=replace(model.card, operating_point=point))


def judge(
    model: Model, micrograph: Micrograph, centres: Floats, diameter: float, config: PickConfig
) -> tuple[Floats, int]:
    """Give the distance of each true pick from its particle, px, and count the picks without a particle."""
    calibration = calibrate(model, [micrograph], ["balls"], config)
    picks = pick_micrograph(model, micrograph, calibration, config)
    found = picks.loc[picks["accepted"], ["x", "y"]].to_numpy()
    matching = match_nearest_first(found, centres, diameter / 4)
    matched = matching.reference_of_pick != UNMATCHED
    return matching.distance_px[matched], int((~matched).sum())


def main() -> None:
    """Parse the command line, plant, pick, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--quality", default="normal", choices=QUALITIES)
    parser.add_argument("--working-px", type=float, help="how large particles are shown to the network")
    parser.add_argument("--first", type=int, help="look at the first few micrographs only")
    parser.add_argument("--noise", type=float, default=NOISE, help="its deviation, see NOISE")
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    if options.working_px is not None:
        model = showing(model, options.working_px)
    config = PickConfig(contrast="dark", quality=options.quality)
    rows: list[dict[str, object]] = []
    for shape, diameter in MICROGRAPHS[: options.first]:
        micrograph, centres = with_balls(shape, diameter, options.noise)
        distance, surplus = judge(model, micrograph, centres, diameter, config)
        row: dict[str, object] = {
            "micrograph, px": f"{shape[1]} x {shape[0]}",
            "diameter, px": f"{diameter:g}",
            "particles": len(centres),
            "lost": len(centres) - len(distance),
            "picks without a particle": surplus,
        }
        for name, share in (("median", 0.5), ("95 %", 0.95), ("largest", 1.0)):
            row[name] = f"{np.quantile(distance, share):.2f}" if len(distance) else "-"
        rows.append(row)
    print(as_markdown(rows))


if __name__ == "__main__":
    main()

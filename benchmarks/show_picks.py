"""Pictures for the documents: true, false and missed picks, and precision over recall with the threshold.

    python benchmarks/show_picks.py --data ../shared/data --out docs/explanation/images

Writes ``picks.jpg``, twelve micrographs of the held-back KLH prefixes, of each focus the three worst by F1
and three spread evenly over the rest, and ``precision-recall.png``, the curves of the sets of `accuracy.py`.
Needs matplotlib. Apoferritin's micrographs have no licence to be shown: of them there is a curve only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from accuracy import LABELLED, load_set, pick_files
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from cryopick_cli.evaluation.evaluate import EvaluationResult, evaluate_picks
from cryopick_cli.evaluation.matching import UNMATCHED, match_nearest_first, within_any
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.imaging.normalise import NormaliseConfig, normalise
from cryopick_cli.imaging.resample import resample
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, load_model
from cryopick_cli.picking.config import PickConfig

mpl.use("Agg")
from matplotlib import pyplot as plt

TILE_PX = 440
COLUMNS = 4
OF_EACH = 3
WITHIN = 0.25
TRUE, FALSE, MISSED, IGNORED = (70, 220, 90), (255, 70, 60), (90, 170, 255), (230, 200, 60)


def choose(result: EvaluationResult) -> list[str]:
    """Give the worst by F1, worst first, and as many spread evenly over the others."""
    ranked = sorted(result.per_micrograph, key=lambda name: result.per_micrograph[name].counts.f1)
    rest = ranked[OF_EACH:]
    spread = [rest[i * (len(rest) - 1) // (OF_EACH - 1)] for i in range(OF_EACH)] if rest else []
    return ranked[:OF_EACH] + list(dict.fromkeys(spread))


def draw(array: NDArray[np.float32], picks: pd.DataFrame, reference: pd.DataFrame, title: str) -> Image.Image:
    """Draw a micrograph with circles about true, false and ignored picks and squares about what is missed."""
    shape = (TILE_PX * array.shape[0] // array.shape[1], TILE_PX)
    even = ndimage.gaussian_filter(normalise(resample(array, shape), NormaliseConfig()), 0.8)
    low, high = np.percentile(even, [1, 99.5])
    grey = np.clip((even - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB")
    pen = ImageDraw.Draw(picture)
    scale = TILE_PX / array.shape[1]
    real = reference[~reference["ignore"]]
    chosen = picks[picks["accepted"]]
    centres, particles = chosen[["x", "y"]].to_numpy(), real[["x", "y"]].to_numpy()
    found = match_nearest_first(centres, particles, WITHIN * real["diameter_px"].to_numpy())
    doubtful = reference[reference["ignore"]]
    ignored = within_any(
        centres, doubtful[["x", "y"]].to_numpy(), WITHIN * doubtful["diameter_px"].to_numpy()
    )
    for row, (x, y, d) in enumerate(chosen[["x", "y", "diameter_px"]].to_numpy() * scale):
        colour = TRUE if found.reference_of_pick[row] != UNMATCHED else IGNORED if ignored[row] else FALSE
        pen.ellipse([x - d / 2, y - d / 2, x + d / 2, y + d / 2], outline=colour, width=2)
    missed = ~np.isin(np.arange(len(real)), found.reference_of_pick)
    for x, y, d in real[["x", "y", "diameter_px"]].to_numpy()[missed] * scale:
        pen.rectangle([x - d / 2, y - d / 2, x + d / 2, y + d / 2], outline=MISSED, width=2)
    pen.rectangle([0, 0, 8 * len(title) + 6, 13], fill=(0, 0, 0))
    pen.text((3, 1), title, fill=(255, 255, 255))
    return picture


def main() -> None:
    """Parse the command line, pick, compare, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    tiles: list[Image.Image] = []
    figure, axes = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
    for one in LABELLED:
        files, reference = load_set(options.data, one, 1000)
        picks, calibration = pick_files(model, files, PickConfig())
        result = evaluate_picks(picks, reference)
        curve = result.curve
        (line,) = axes.plot(curve.recall, curve.precision, label=one.name)
        above = np.flatnonzero(curve.threshold >= calibration.threshold)
        axes.plot(curve.recall[above[-1:]], curve.precision[above[-1:]], "o", color=line.get_color())
        if "klh" not in one.name:
            continue
        by_stem = {file.stem: file for file in files}
        focus = "far" if "far" in one.name else "near"
        for stem in choose(result):
            short = stem.removeprefix("01nov26b.")[:11]
            title = f"{focus} {short}, F1 {result.per_micrograph[stem].counts.f1:.2f}"
            array = read_micrograph(by_stem[stem]).array
            tiles.append(draw(array, picks[stem], reference[stem], title))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0.4, 1), ylim=(0.4, 1))
    axes.legend(loc="lower left", fontsize=8)
    axes.grid(alpha=0.3)
    options.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out / "precision-recall.png", dpi=110)
    height = max(tile.height for tile in tiles)
    sheet = Image.new("RGB", (COLUMNS * TILE_PX, -(-len(tiles) // COLUMNS) * height))
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % COLUMNS * TILE_PX, number // COLUMNS * height))
    sheet.save(options.out / "picks.jpg", quality=82)


if __name__ == "__main__":
    main()

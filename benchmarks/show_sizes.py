"""Picture for the documents: a network that has seen one size, and one that has seen random sizes.

    python benchmarks/ablations.py --data ../shared/data --out ablations --group size
    python benchmarks/show_sizes.py --data ../shared/data --ablations ablations --out docs/explanation/images

Writes ``one-size.jpg``: a micrograph of each diameter, picked by both networks of the group ``size`` at its
own scale. Circles are as large as the network says; true picks are green, false ones red, missed particles
blue. The cut is the one that gives the best F1 on that micrograph, found with its reference in hand.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ablations import NATIVE, Bench, as_it_is, groups, pick_set, simulated_sets
from accuracy import load_set
from PIL import Image
from show_picks import draw

from cryopick_cli.evaluation.evaluate import evaluate_picks
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import load_model


def main() -> None:
    """Parse the command line, pick with both networks, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ablations", type=Path, required=True, help="what ablations.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    budget = json.loads((options.ablations / "ablations.json").read_text())[0]
    bench = Bench(
        data=options.data.resolve(), out=options.ablations, steps=budget["steps"], crop_px=budget["crop px"],
        micrographs=budget["micrographs"], device=choose_device("auto"),
    )  # fmt: skip
    rows = []
    for variant in groups()["size"]:
        model = load_model(str(bench.model_folder(variant)), bench.device)
        tiles = []
        for one, diameter in zip(simulated_sets(bench, NATIVE), NATIVE.values(), strict=True):
            files, reference = load_set(Path(), one, 1000)
            picks = pick_set(model, files, as_it_is(model, diameter))
            typical = files[len(files) // 2]
            result = evaluate_picks(
                {typical.stem: picks[typical.stem]}, {typical.stem: reference[typical.stem]}
            )
            best = picks[typical.stem].assign(
                accepted=picks[typical.stem]["score"] >= result.pooled.best_threshold
            )
            title = f"{variant.name}: particles of {diameter:.0f} px, best F1 {result.pooled.best_f1:.2f}"
            tiles.append(draw(read_micrograph(typical).array, best, reference[typical.stem], title))
        rows.append(tiles)
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (width * len(rows[0]), height * len(rows)))
    for y, tiles in enumerate(rows):
        for x, tile in enumerate(tiles):
            sheet.paste(tile, (x * width, y * height))
    options.out.mkdir(parents=True, exist_ok=True)
    sheet.save(options.out / "one-size.jpg", quality=82)


if __name__ == "__main__":
    main()

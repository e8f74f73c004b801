"""Compare rules for the automatic threshold by their regret, on development data.

    cryopick simulate --structures ../shared/data/structures --count 40 --seed 901 --out simulated
    python benchmarks/thresholds.py --data ../shared/data --simulated simulated

Regret is 1 less F1 at the rule's threshold over the best F1 that any threshold reaches on that data set.
Data sets are the KLH micrographs of prefixes 012 and 013, each focus for itself, the ribosome-like
micrograph, and every simulated micrograph with at least eight particles as a data set of its own, which is
the hard case: one micrograph has to tell it all. No test data.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import LabelledSet, load_set, pick_files
from numpy.typing import NDArray

from cryopick_cli.evaluation import evaluate_picks
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, load_model
from cryopick_cli.picking.config import PickConfig

Floats = NDArray[np.float64]
DEVELOPMENT = ("01nov26b.012.*", "01nov26b.013.*")
FEWEST = 8


def typical(score: Floats) -> float:
    """Give the typical confident score, as the picker does."""
    return float((score**3).sum() / (score**2).sum())


def otsu(score: Floats) -> float:
    """Split the log-odds where the variance between the two sides is largest."""
    values = np.sort(np.log(score / (1 - score)))
    low = np.arange(1, len(values))
    below = np.cumsum(values)[:-1]
    between = (values.sum() * low / len(values) - below) ** 2 / (low * (len(values) - low))
    return float(1 / (1 + np.exp(-values[between.argmax()])))


def rules() -> dict[str, Callable[[Floats], float]]:
    """Name the rules: score of all candidates to threshold."""
    constants = {
        f"constant {value}": (lambda score, value=value: value) for value in (0.1, 0.15, 0.2, 0.25, 0.3)
    }
    shares = {
        f"{share} x typical score": (lambda score, share=share: max(0.1, share * typical(score)))
        for share in (0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
    }
    return {**constants, "Otsu on log-odds": otsu, **shares}


def development_sets(
    data: Path, simulated: Path | None
) -> Iterator[tuple[list[Path], dict[str, pd.DataFrame]]]:
    """Give files and reference of each data set."""
    for focus in ("far_from_focus", "near_to_focus"):
        folder = f"micrographs/klh/{focus}"
        doubtful = f"{folder}/ignore" if focus == "far_from_focus" else None
        yield load_set(
            data, LabelledSet(focus, f"{folder}/images", f"{folder}/coordinates", doubtful, DEVELOPMENT), 100
        )
    one = "micrographs/ribosome_like_061"
    file = data / one / "061.png"
    reference = pd.read_csv(data / one / "coordinates.csv").assign(ignore=False)
    doubtful_places = pd.read_csv(data / one / "ignore.csv").assign(ignore=True)
    table = pd.concat([reference, doubtful_places]).rename(columns={"diameter": "diameter_px"})
    yield [file], {file.stem: table.reset_index(drop=True)}
    if simulated:
        files, references = load_set(Path(), LabelledSet("simulated", str(simulated), str(simulated)), 1000)
        for file in files:
            if (~references[file.stem]["ignore"]).sum() >= FEWEST:
                yield [file], {file.stem: references[file.stem]}


def main() -> None:
    """Parse the command line, pick all sets once, print the regret of every rule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--simulated", type=Path)
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    regrets: dict[str, list[float]] = {name: [] for name in rules()}
    for files, reference in development_sets(options.data, options.simulated):
        picks, _ = pick_files(model, files, PickConfig())
        curve = evaluate_picks(picks, reference).curve
        score = pd.concat(picks.values())["score"].to_numpy()
        if len(score) == 0 or curve.f1.max() == 0:
            continue
        for name, rule in rules().items():
            reached = curve.f1[curve.threshold >= rule(score)]
            regrets[name].append(1 - (reached[-1] if len(reached) else 0.0) / curve.f1.max())
    print("| rule | mean regret | worst | sets |\n| --- | --- | --- | --- |")
    for name, values in regrets.items():
        print(f"| {name} | {np.mean(values):.3f} | {np.max(values):.3f} | {len(values)} |")


if __name__ == "__main__":
    main()

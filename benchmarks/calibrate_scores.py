"""Fit temperature and offset of the scores on development data, so that a score is a probability.

    cryopick simulate --structures ../shared/data/structures --count 40 --seed 901 --out simulated
    python benchmarks/held_out_samples.py --structures ../shared/data/structures --development --count 6 \
        --seed 301 --out development
    python benchmarks/calibrate_scores.py --data ../shared/data --simulated simulated \
        --samples development/samples --weights DIR

A score is ``sigmoid(logit / temperature + offset)`` times the size prior's factor. Both numbers minimise the
log loss of "is a particle" over all candidates; every data set weighs the same. Prints them with the loss and
the expected calibration error before and after. `--write` puts them into the weights' card.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import pick_files
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from thresholds import development_sets

from cryopick_cli.evaluation.matching import UNMATCHED, match_nearest_first, within_any
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, find_weights, load_model, read_card, write_card
from cryopick_cli.picking.config import PickConfig

Floats = NDArray[np.float64]
BINS = 10


def label_candidates(picks: pd.DataFrame, reference: pd.DataFrame) -> NDArray[np.int64]:
    """Tell particles (1) from others (0) within a quarter of the diameter; -1 at places to ignore."""
    xy = picks[["x", "y"]].to_numpy(float)
    learnt = reference[~reference["ignore"].astype(bool)]
    ignored = reference[reference["ignore"].astype(bool)]
    radius = learnt["diameter_px"].to_numpy(float) / 4
    found = match_nearest_first(xy, learnt[["x", "y"]].to_numpy(float), radius).reference_of_pick != UNMATCHED
    doubtful = within_any(xy, ignored[["x", "y"]].to_numpy(float), ignored["diameter_px"].to_numpy(float) / 2)
    return np.where(found, 1, np.where(doubtful, -1, 0)).astype(np.int64)


def collect(
    model: Model, data: Path, simulated: Sequence[Path], samples: Path | None
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Give logits, factors of the size prior, and labels of each development set."""
    for files, reference in development_sets(data, simulated, samples):
        picks, calibration = pick_files(model, files, PickConfig(junk="keep", size_prior="soft"))
        table = pd.concat(picks.values(), ignore_index=True)
        labels = np.concatenate([label_candidates(picks[name], reference[name]) for name in picks])
        size = table["diameter_px"] if calibration.unit == "px" else table["diameter_A"]
        factor = np.ones(len(table))
        if calibration.prior is not None:
            factor = calibration.prior.factor(size.to_numpy(float))
        counted = labels >= 0
        raw = logit(np.clip(table["score"].to_numpy(float) / factor, 1e-6, 1 - 1e-6))
        if counted.any():
            yield raw[counted], factor[counted], labels[counted].astype(float)


def log_loss(score: Floats, label: Floats) -> float:
    """Give the mean negative log-likelihood."""
    bounded = np.clip(score, 1e-6, 1 - 1e-6)
    return float(-(label * np.log(bounded) + (1 - label) * np.log(1 - bounded)).mean())


def calibration_error(score: Floats, label: Floats) -> float:
    """Give the mean distance of score and share of particles over ten bins of score, weighted by count."""
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    total = sum(abs(score[bins == b].mean() - label[bins == b].mean()) * (bins == b).sum() for b in set(bins))
    return float(total / len(score))


def main() -> None:
    """Parse the command line, fit, print, and write the card if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--simulated", type=Path, nargs="*", default=[], help="folders of lone micrographs")
    parser.add_argument("--samples", type=Path, help="folder of folders, one a sample")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--write", action="store_true", help="write the numbers into the weights' card")
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    plain = replace(model.card.operating_point, temperature=1.0, offset=0.0)
    neutral = Model(model.network, replace(model.card, operating_point=plain), model.device)
    sets = list(collect(neutral, options.data, options.simulated, options.samples))

    def scores(values: Floats) -> list[Floats]:
        return [expit(raw / np.exp(values[0]) + values[1]) * factor for raw, factor, _ in sets]

    def objective(values: Floats) -> float:
        return float(
            np.mean([log_loss(s, label) for s, (_, _, label) in zip(scores(values), sets, strict=True)])
        )

    best = minimize(objective, np.zeros(2), method="Nelder-Mead")
    temperature, offset = round(float(np.exp(best.x[0])), 3), round(float(best.x[1]), 3)
    label = np.concatenate([one[2] for one in sets])
    print(f"temperature {temperature}, offset {offset}, from {len(label)} candidates of {len(sets)} sets")
    for name, values in (("before", np.zeros(2)), ("after", best.x)):
        error = calibration_error(np.concatenate(scores(values)), label)
        print(f"{name}: log loss {objective(values):.4f}, expected calibration error {error:.4f}")
    if options.write:
        folder = find_weights(options.weights)
        card = read_card(folder)
        point = replace(card.operating_point, temperature=temperature, offset=offset)
        write_card(folder, replace(card, operating_point=point))


if __name__ == "__main__":
    main()

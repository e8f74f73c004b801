"""Compare rules for the automatic threshold by their regret, on development data.

    cryopick simulate --structures ../shared/data/structures --count 40 --seed 901 --out simulated
    python benchmarks/held_out_samples.py --structures ../shared/data/structures --development --count 6 \
        --seed 301 --out development
    python benchmarks/thresholds.py --data ../shared/data --simulated simulated \
        --samples development/samples

Regret is 1 less F1 at the rule's threshold over the best F1 that any one threshold reaches on that data set;
a rule that gives each micrograph a threshold of its own can do better than that. Data sets are the KLH
micrographs of prefixes 012 and 013, each focus for itself and both together, the ribosome-like micrograph,
samples of one particle under several microscopes, and every simulated micrograph with at least eight
particles as a data set of its own, which is the hard case: one micrograph has to tell it all. `--noise 1.5 3`
adds copies of these with white noise so many times as strong as the micrograph varies, and
`benchmarks/faint.toml` has settings for `cryopick simulate` of particles that are hard to see. No test data.
Needs scikit-learn besides (dependency group `benchmarks`).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import FREE_OF_PARTICLES, LabelledSet, load_set, pick_files
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from cryopick_cli.evaluation import evaluate_picks
from cryopick_cli.evaluation.metrics import Counts
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.micrograph import read_micrograph, write_micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, OperatingPoint, load_model
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.threshold import adapt_threshold, choose_threshold, typical_score

Floats = NDArray[np.float64]
Rule = Callable[[Floats, Floats, Calibration], float]
"""Scores of all candidates, those of one micrograph, what was learnt of the data set -> threshold there."""
DEVELOPMENT = ("01nov26b.012.*", "01nov26b.013.*")
FEWEST = 8


def otsu(score: Floats) -> float:
    """Split the log-odds where the variance between the two sides is largest."""
    if len(score) < 2:
        return 1.0
    values = np.sort(np.log(score / (1 - score)))
    low = np.arange(1, len(values))
    below = np.cumsum(values)[:-1]
    between = (values.sum() * low / len(values) - below) ** 2 / (low * (len(values) - low))
    return float(1 / (1 + np.exp(-values[between.argmax()])))


def mixture(score: Floats) -> float:
    """Cut where a candidate is as likely to belong to the higher of two normal components of the log-odds."""
    if len(score) < 2:
        return 1.0
    values = np.log(score / (1 - score))[:, None]
    fitted = GaussianMixture(2, random_state=0).fit(values)
    grid = np.linspace(values.min(), values.max(), 400)[:, None]
    high = int(fitted.means_[:, 0].argmax())
    above = grid[(fitted.predict_proba(grid)[:, high] >= 0.5) & (grid[:, 0] > fitted.means_.min())]
    return float(1 / (1 + np.exp(-above[0, 0]))) if len(above) else 1.0


def decoy_rule(most_false: float) -> Rule:
    """Take the lowest threshold at which decoys let at most this share of the picks seem false."""

    def rule(score: Floats, own: Floats, calibration: Calibration) -> float:
        fine = (p.threshold for p in calibration.curve if (p.false_discovery_rate or 0.0) <= most_false)
        return next(fine, 1.0)

    return rule


def expected_f1(score: Floats) -> float:
    """Cut where F1 is best if the scores are the probabilities that they are meant to be."""
    falling = np.sort(score)[::-1]
    f1 = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    return float(falling[f1.argmax()]) if len(falling) else 1.0


def shipped(own: Floats, calibration: Calibration, point: OperatingPoint, target: str = "f1") -> float:
    """Cut as the picker does."""
    if calibration.typical_score is None:
        return calibration.threshold
    return adapt_threshold(own, calibration.typical_score, point, target=target)


def rules(point: OperatingPoint) -> dict[str, Rule]:
    """Name the rules."""
    constants = {
        f"constant {value}": (lambda score, own, _, value=value: value)
        for value in (0.2, 0.3, 0.35, 0.4, 0.5)
    }
    shares = {
        f"{share} x typical score": (lambda score, own, _, share=share: share * typical_score(score))
        for share in (0.3, 0.4, 0.5, 0.6)
    }
    shares["0.6 x typical score, 0.25 at least"] = lambda score, own, _: max(0.25, 0.6 * typical_score(score))
    squares = {
        f"{share} x its square": (
            lambda score, own, _, share=share: choose_threshold(score, replace(point, threshold_share=share))
        )
        for share in (0.5, 0.6, 0.65, 0.7)
    }
    decoys = {f"decoys, {share:.0%} false": decoy_rule(share) for share in (0.05, 0.1, 0.2)}
    return {
        **constants,
        "two components of log-odds": lambda score, own, _: mixture(score),
        "Otsu on log-odds": lambda score, own, _: otsu(score),
        **decoys,
        "best expected F1": lambda score, own, _: expected_f1(score),
        "best expected F1, each micrograph": lambda score, own, _: expected_f1(own),
        **shares,
        **squares,
        "shipped, one for all": lambda score, own, c: c.threshold,
        "shipped": lambda score, own, c: shipped(own, c, point),
        "shipped, for precision": lambda score, own, c: shipped(own, c, point, "precision"),
        "shipped, for recall": lambda score, own, c: shipped(own, c, point, "recall"),
    }


def development_sets(
    data: Path, simulated: Sequence[Path], samples: Path | None
) -> Iterator[tuple[list[Path], dict[str, pd.DataFrame]]]:
    """Give files and reference of each data set."""
    both: tuple[list[Path], dict[str, pd.DataFrame]] = ([], {})
    for focus in ("far_from_focus", "near_to_focus"):
        folder = f"micrographs/klh/{focus}"
        doubtful = f"{folder}/ignore" if focus == "far_from_focus" else None
        files, references = load_set(
            data, LabelledSet(focus, f"{folder}/images", f"{folder}/coordinates", doubtful, DEVELOPMENT), 100
        )
        both[0].extend(files)
        both[1].update(references)
        yield files, references
    yield both
    one = "micrographs/ribosome_like_061"
    file = data / one / "061.png"
    reference = pd.read_csv(data / one / "coordinates.csv").assign(ignore=False)
    doubtful_places = pd.read_csv(data / one / "ignore.csv").assign(ignore=True)
    table = pd.concat([reference, doubtful_places]).rename(columns={"diameter": "diameter_px"})
    yield [file], {file.stem: table.reset_index(drop=True)}
    for folder in sorted(samples.iterdir()) if samples else []:
        yield load_set(Path(), LabelledSet(folder.name, str(folder), str(folder)), 1000)
    for folder in simulated:
        yield from lone_micrographs(folder)


def lone_micrographs(folder: Path) -> Iterator[tuple[list[Path], dict[str, pd.DataFrame]]]:
    """Give each simulated micrograph of a folder that holds enough particles as a data set of its own."""
    files, references = load_set(Path(), LabelledSet("simulated", str(folder), str(folder)), 1000)
    for file in files:
        if (~references[file.stem]["ignore"]).sum() >= FEWEST:
            yield [file], {file.stem: references[file.stem]}


def noisy_copies(
    simulated: Sequence[Path], factors: Sequence[float], scratch: Path
) -> Iterator[tuple[list[Path], dict[str, pd.DataFrame]]]:
    """Give lone micrographs once more with white noise, in units of their own robust deviation."""
    for number, ([file], references) in enumerate(
        lone for one in simulated for lone in lone_micrographs(one)
    ):
        micrograph = read_micrograph(file)
        spread = 1.4826 * np.nanmedian(np.abs(micrograph.array - np.nanmedian(micrograph.array)))
        for factor in factors:
            noise = np.random.default_rng([number, round(10 * factor)]).normal(
                0, factor * spread, micrograph.array.shape
            )
            copy = scratch / f"{number}_{factor:g}" / file.name
            copy.parent.mkdir()
            write_micrograph(copy, (micrograph.array + noise).astype(np.float32), micrograph.pixel_size)
            yield [copy], references
            shutil.rmtree(copy.parent)


def judged(
    picks: dict[str, pd.DataFrame], reference: dict[str, pd.DataFrame], rule: Rule, calibration: Calibration
) -> Counts:
    """Cut every micrograph by a rule, and compare."""
    score = pool(picks)
    cut = {
        name: table.assign(accepted=table["score"] >= rule(score, table["score"].to_numpy(), calibration))
        for name, table in picks.items()
    }
    return evaluate_picks(cut, reference).pooled.counts


def pool(picks: dict[str, pd.DataFrame]) -> Floats:
    """Give the scores of all candidates."""
    return pd.concat(picks.values())["score"].to_numpy()


def empty_views(model: Model, data: Path) -> Iterator[tuple[Floats, Calibration]]:
    """Give the scores on views without particles, each a data set of its own."""
    for kind in FREE_OF_PARTICLES:
        for source in find_micrographs([str(data / "micrographs/quality_classes" / kind)]):
            picks, calibration = pick_files(model, [source.path], PickConfig())
            yield pool(picks), calibration


def main() -> None:
    """Parse the command line, pick all sets once, print the regret of every rule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--simulated", type=Path, nargs="*", default=[], help="folders of lone micrographs")
    parser.add_argument("--noise", type=float, nargs="*", default=[], help="noise of further copies of these")
    parser.add_argument(
        "--least-f1", type=float, default=0.0, help="leave out sets whose best F1 is no better"
    )
    parser.add_argument("--samples", type=Path, help="folder of folders, one a sample")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    named = rules(model.card.operating_point)
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in named}
    left_out = 0
    with tempfile.TemporaryDirectory() as scratch:
        for files, reference in chain(
            development_sets(options.data, options.simulated, options.samples),
            noisy_copies(options.simulated, options.noise, Path(scratch)),
        ):
            picks, calibration = pick_files(model, files, PickConfig())
            best = evaluate_picks(picks, reference).pooled.best_f1
            if not best > options.least_f1:
                left_out += 1
                continue
            for name, rule in named.items():
                counts = judged(picks, reference, rule, calibration)
                figures[name].append((1 - counts.f1 / best, counts.precision, counts.recall))
    empty = list(empty_views(model, options.data))
    print("| rule | mean regret | worst | precision | recall | picks on empty views, most |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, rule in named.items():
        regret, precision, recall = np.array(figures[name]).T
        most = max(int((score >= rule(score, score, c)).sum()) for score, c in empty)
        words = [
            f"{regret.mean():.3f}",
            f"{regret.max():.3f}",
            f"{np.nanmean(precision):.3f}",
            f"{recall.mean():.3f}",
        ]
        print(f"| {name} | " + " | ".join(words) + f" | {most} |")
    print(f"\n{len(figures['shipped'])} data sets, {left_out} left out, {len(empty)} views without particles")


if __name__ == "__main__":
    main()

"""Count the picks on views without particles that lie among good micrographs, as they do in real data.

    python benchmarks/held_out_samples.py --structures ../shared/data/structures --development --count 6 \
        --seed 301 --out development
    python benchmarks/empty_views.py --samples development/samples --out empty

To every sample, a folder of micrographs of one particle, views without particles are added: half of them by
the simulator's defaults, half rich in what is mistaken for particles (`weights/general/negatives.toml`). All
are picked as one data set, without size or threshold, so that the views without particles share its size and
its typical score. Prints a row a sample: picks on a view of either kind, and on a micrograph of the sample.
Before that, the picks on each view that is a data set of its own; without `--samples` nothing else.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from accuracy import pick_files

from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.settings import from_mapping, read_toml
from cryopick_cli.simulation.config import SimulationConfig
from cryopick_cli.simulation.pool import simulate_folder

NEGATIVES = Path(__file__).parents[1] / "weights" / "general" / "negatives.toml"


def empty_views(out: Path, count: int) -> dict[str, list[Path]]:
    """Simulate views without particles of both kinds, those that are not there yet."""
    plain = SimulationConfig()
    kinds = {
        "plain": replace(plain, layout=replace(plain.layout, empty_probability=1.0)),
        "dirty": from_mapping(SimulationConfig, read_toml(NEGATIVES), str(NEGATIVES)),
    }
    for seed, (kind, config) in enumerate(kinds.items(), 401):
        list(
            simulate_folder(config, seed=seed, numbers=range(count), out=out / kind, library=None, workers=2)
        )
    return {kind: sorted((out / kind).glob("*.mrc")) for kind in kinds}


def judge(model: Model, sample: Path, views: dict[str, list[Path]]) -> dict[str, object]:
    """Pick a sample together with the views, and count the picks a micrograph."""
    files = sorted(sample.glob("*.mrc"))
    picks, calibration = pick_files(
        model, files + [file for kind in views.values() for file in kind], PickConfig()
    )
    counts = {stem: int(table["accepted"].sum()) for stem, table in picks.items()}
    row: dict[str, object] = {
        "sample": sample.name,
        "micrographs": len(files),
        "threshold": round(calibration.threshold, 3),
    }
    for kind, group in {"sample": files, **views}.items():
        found = [counts[file.stem] for file in group]
        row[f"{kind}: mean"], row[f"{kind}: most"] = round(sum(found) / len(found), 2), max(found)
    return row


def count_alone(model: Model, views: dict[str, list[Path]]) -> dict[str, list[int]]:
    """Pick each view as a data set of its own; gives the picks on each of either kind, most first."""

    def count(file: Path) -> int:
        picks, _ = pick_files(model, [file], PickConfig())
        return int(picks[file.stem]["accepted"].sum())

    return {kind: sorted(map(count, files), reverse=True) for kind, files in views.items()}


def main() -> None:
    """Parse the command line, simulate, pick, and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, help="folder with a folder a sample")
    parser.add_argument("--out", type=Path, required=True, help="folder for the views without particles")
    parser.add_argument("--count", type=int, default=4, help="views of either kind")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    views = empty_views(options.out, options.count)
    for kind, counts in count_alone(model, views).items():
        print(f"{kind}, each by itself: {' '.join(map(str, counts))} picks", flush=True)
    samples = sorted(path for path in options.samples.iterdir() if path.is_dir()) if options.samples else []
    for number, sample in enumerate(samples):
        row = judge(model, sample, views)
        if number == 0:
            print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}")
        print(f"| {' | '.join(map(str, row.values()))} |", flush=True)


if __name__ == "__main__":
    main()

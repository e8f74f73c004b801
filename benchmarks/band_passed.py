"""How much of what band-passing costs is lost for good: networks that know nothing else, against the shipped.

    python benchmarks/band_passed.py --data ../shared/data --out band_passed

Band-passed copies of KLH near to focus cost the shipped weights more than any other copy. Two networks start
from them and go on with the training prefixes of KLH alone, four crops in five near to focus, one on the
micrographs as they are and one on their band-passed copies. All three are judged on the development prefixes
near to focus, as they are and band-passed: what the copies cost a network made for them, a general one will
hardly win back. Prints a Markdown table; what is there in `--out` is not made again.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ablations import DONE, FOCI, KLH, klh_source
from accuracy import COPIES, DEVELOPMENT, as_markdown, judge_labelled

from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.micrograph import read_micrograph, write_micrograph
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.model.device import DeviceChoice, choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.training.config import AugmentConfig, CropConfig, OptimiserConfig, TrainConfig
from cryopick_cli.training.train import TrainingTask, train

COPY = "band-passed"
NEAR = next(one for one in DEVELOPMENT if "near" in one.name)
SHARES = {"near_to_focus": 0.8, "far_from_focus": 0.2}


def copy_filtered(data: Path, out: Path) -> None:
    """Lay out KLH in a folder like ``data``, its micrographs filtered, its coordinates as they are."""
    for focus, _ in FOCI:
        there, folder = data / KLH / focus, out / KLH / focus
        for source in find_micrographs([str(there / "images")]):
            copy = folder / "images" / f"{source.path.stem}.mrc"
            table = there / "coordinates" / f"{source.path.stem}.csv"
            if not copy.exists() and table.exists():
                diameter = float(read_coordinates(table)["diameter_px"].iloc[0])
                copy.parent.mkdir(parents=True, exist_ok=True)
                write_micrograph(copy, COPIES[COPY](read_micrograph(source.path).array, diameter))
        for kind in ("coordinates", "ignore"):
            if (there / kind).exists():
                shutil.copytree(there / kind, folder / kind, dirs_exist_ok=True)


def recipe(steps: int) -> TrainConfig:
    """Go on with KLH alone, as filtered as the micrographs are and no further."""
    sources = [replace(klh_source(focus, ignore), share=SHARES[focus]) for focus, ignore in reversed(FOCI)]
    return TrainConfig(
        sources=tuple(sources),
        crop=CropConfig(size_px=384),
        augment=AugmentConfig(band_pass=0.0, denoise=0.0, local_contrast=0.0),
        optimiser=OptimiserConfig(steps=steps, learning_rate=3e-4, warm_up=50, average=0.99),
        checkpoint_every=max(1, steps // 2),
        validate_every=steps,
        seed=9,
    )


def networks(data: Path, out: Path, steps: int, device: DeviceChoice) -> Iterator[tuple[str, Model]]:
    """Give the shipped weights and the two that know KLH alone, trained where they are not there."""
    copies = out / "data"
    copy_filtered(data, copies)
    shipped = load_model(DEFAULT_WEIGHTS, device)
    yield "shipped", shipped
    for name, folder in {"KLH as it is": data, f"KLH {COPY}": copies}.items():
        model = out / name.replace(" ", "_")
        if not (model / DONE).exists():
            train(recipe(steps), TrainingTask(data=folder, out=model, initial=shipped, resume=True), device)
            (model / DONE).touch()
        yield name, load_model(str(model), device)


def main() -> None:
    """Parse the command line, train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for name, model in networks(options.data.resolve(), options.out, options.steps, choose_device("auto")):
        for row in judge_labelled(model, options.data, NEAR, PickConfig(), 1000):
            if row["set"] in (NEAR.name, f"{NEAR.name}, {COPY}"):
                rows.append({"network": name, **row})
    print(as_markdown(rows))


if __name__ == "__main__":
    main()

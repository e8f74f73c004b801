"""Accuracy of a set of weights, zero-shot, on every labelled and every particle-free set at hand.

    python benchmarks/accuracy.py --data ../shared/data --out accuracy.json

Each set is picked as a user would pick it: no size, no threshold, the micrographs as files. Matching is
one-to-one within a quarter of the reference diameter. Prints a Markdown table and writes the same
figures as JSON, with version, weights and machine beside them. What is measured: files in, picks out,
through `cryopick_cli.picking`; what is not: reading of command lines and writing of coordinate files.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

import cryopick_cli
from cryopick_cli.evaluation import evaluate_picks
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.micrograph import read_micrograph, write_micrograph
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.batch import Batch
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.config import PickConfig

Array = NDArray[np.float32]
HELD_BACK = tuple(f"01nov26b.0{number}.*" for number in (14, 15, 16))


@dataclass(frozen=True)
class LabelledSet:
    """Micrographs with reference coordinates, below the data folder."""

    name: str
    micrographs: str
    coordinates: str
    ignore: str | None = None
    include: tuple[str, ...] = ("*",)


LABELLED = (
    LabelledSet(
        "apoferritin_10146",
        "micrographs/apoferritin_10146/images",
        "micrographs/apoferritin_10146/coordinates",
    ),
    LabelledSet(
        "klh far from focus, held back",
        "micrographs/klh/far_from_focus/images",
        "micrographs/klh/far_from_focus/coordinates",
        "micrographs/klh/far_from_focus/ignore",
        HELD_BACK,
    ),
    LabelledSet(
        "klh near to focus, held back",
        "micrographs/klh/near_to_focus/images",
        "micrographs/klh/near_to_focus/coordinates",
        include=HELD_BACK,
    ),
)
DEVELOPMENT = tuple(
    replace(
        one, name=one.name.replace("held back", "development"), include=("01nov26b.012.*", "01nov26b.013.*")
    )
    for one in LABELLED
    if one.include == HELD_BACK
)
FREE_OF_PARTICLES = ("3Empty_no_ice", "4Crystalline_ice", "5Empty_ice_no_particles_but_vitreous_ice")


def band_passed(array: Array, diameter: float) -> Array:
    """Keep what lies between a tenth of a diameter and one and a half, as Gaussian sigmas."""
    low = ndimage.gaussian_filter(array, diameter / 10)
    return low - ndimage.gaussian_filter(array, 1.5 * diameter)


def denoised(array: Array, diameter: float) -> Array:
    """Blur a little, then take the median of 5x5 px."""
    return ndimage.median_filter(ndimage.gaussian_filter(array, diameter / 30), 5)


def eight_bit(array: Array, diameter: float) -> Array:
    """Store in 256 levels between the 1st and the 99th percentile."""
    low, high = np.percentile(array, [1, 99])
    return np.round(np.clip((array - low) / (high - low), 0, 1) * 255).astype(np.float32)


COPIES: dict[str, Callable[[Array, float], Array]] = {
    "band-passed": band_passed,
    "denoised": denoised,
    "8 bits": eight_bit,
}


def pick_files(
    model: Model, files: list[Path], config: PickConfig
) -> tuple[dict[str, pd.DataFrame], Calibration]:
    """Pick files as one data set; give all candidates by stem, and the calibration."""
    sources = find_micrographs([str(file) for file in files])
    batch = Batch(model, config)
    batch.calibrate(sources)
    picks = {}
    for result in batch.pick(sources):
        if result.picks is None:
            raise SystemExit(f"{result.source.path}: {result.error}")
        picks[result.source.path.stem] = result.picks
    return picks, next(iter(batch.calibrations.values()))


def judge_labelled(
    model: Model, data: Path, one: LabelledSet, config: PickConfig, most: int
) -> Iterator[dict[str, object]]:
    """Judge a labelled set, and its filtered copies."""
    files, reference = load_set(data, one, most)
    diameter = float(pd.concat(reference.values())["diameter_px"].median())
    yield judge(model, one.name, files, reference, config)
    with tempfile.TemporaryDirectory() as folder:
        for kind, change in COPIES.items():
            copies = [Path(folder) / kind / f"{file.stem}.mrc" for file in files]
            for file, copy in zip(files, copies, strict=True):
                copy.parent.mkdir(exist_ok=True)
                write_micrograph(copy, change(read_micrograph(file).array, diameter), overwrite=True)
            yield judge(model, f"{one.name}, {kind}", copies, reference, config)


def load_set(data: Path, one: LabelledSet, most: int) -> tuple[list[Path], dict[str, pd.DataFrame]]:
    """List the files of a set, spread evenly over it, and read their reference."""
    everything = [s.path for s in find_micrographs([str(data / one.micrographs)])]
    chosen = [path for path in everything if any(fnmatch(path.name, pattern) for pattern in one.include)]
    files = chosen[:: max(1, -(-len(chosen) // most))]
    reference = {}
    for file in files:
        table = read_coordinates(data / one.coordinates / f"{file.stem}.csv")
        if "ignore" not in table:
            table["ignore"] = False
        doubtful = data / one.ignore / f"{file.stem}.csv" if one.ignore else None
        if doubtful is not None and doubtful.exists():
            table = pd.concat([table, read_coordinates(doubtful).assign(ignore=True)], ignore_index=True)
        reference[file.stem] = table
    return files, reference


def judge(
    model: Model, name: str, files: list[Path], reference: dict[str, pd.DataFrame], config: PickConfig
) -> dict[str, object]:
    """Pick and compare; give a row of the table."""
    picks, calibration = pick_files(model, files, config)
    pooled = evaluate_picks(picks, reference).pooled
    counts = pooled.counts
    return {
        "set": name,
        "micrographs": len(files),
        "reference": counts.reference,
        "AP": round(pooled.average_precision, 3),
        "best F1": round(pooled.best_f1, 3),
        "at": round(pooled.best_threshold, 3),
        "F1 at auto": round(counts.f1, 3),
        "auto": round(calibration.threshold, 3),
        "precision": round(counts.precision, 3),
        "recall": round(counts.recall, 3),
        "diameter ratio": round(pooled.diameter_ratio, 3),
        "distance px": round(pooled.distance_px, 2),
    }


def count_false_picks(model: Model, data: Path, config: PickConfig) -> Iterator[dict[str, object]]:
    """Count accepted picks on views that hold no particle, each view a data set of its own."""
    for kind in FREE_OF_PARTICLES:
        for source in find_micrographs([str(data / "micrographs/quality_classes" / kind)]):
            picks, calibration = pick_files(model, [source.path], config)
            yield {
                "view": f"{kind}/{source.path.stem[:24]}",
                "picks": accepted(picks),
                "auto": calibration.threshold,
            }
    with tempfile.TemporaryDirectory() as folder:
        for kind, array in noise(data).items():
            file = Path(folder) / f"{kind.replace(' ', '_')}.mrc"
            write_micrograph(file, array)
            picks, calibration = pick_files(model, [file], config)
            yield {"view": kind, "picks": accepted(picks), "auto": calibration.threshold}


def accepted(picks: dict[str, pd.DataFrame]) -> int:
    """Count the accepted picks."""
    return int(sum(table["accepted"].sum() for table in picks.values()))


def noise(data: Path) -> dict[str, Array]:
    """Make white and pink noise, and a real micrograph with its phases drawn anew."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(1024, 1024)).astype(np.float32)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(1024), np.fft.rfftfreq(1024), indexing="ij"))
    pink = np.fft.irfft2(np.fft.rfft2(white) / np.sqrt(np.maximum(frequency, 1 / 1024)), s=white.shape)
    images = find_micrographs([str(data / "micrographs/klh/far_from_focus/images")])
    real = read_micrograph(images[-1].path).array
    amplitude = np.abs(np.fft.rfft2(real - real.mean()))
    shuffled = np.fft.irfft2(amplitude * np.exp(1j * np.angle(np.fft.rfft2(white))), s=real.shape)
    return {
        "white noise": white,
        "pink noise": pink.astype(np.float32),
        "phase-randomised klh": shuffled.astype(np.float32),
    }


def as_markdown(rows: list[dict[str, object]]) -> str:
    """Write rows as a Markdown table."""
    if not rows:
        return ""
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([str(row[key]) for key in header] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Parse the command line, judge, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with micrographs/, as shared for CI")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--most", type=int, default=1000, help="micrographs of a set, at most")
    parser.add_argument("--sets", default="*", help="glob of the labelled sets to judge")
    parser.add_argument(
        "--simulated", type=Path, help="folder of folders that `cryopick simulate` wrote, one a sample"
    )
    parser.add_argument("--development", action="store_true", help="judge the KLH prefixes 012 and 013 only")
    parser.add_argument(
        "--quality", default="normal", help="fast, normal or best, as `cryopick pick` takes it"
    )
    parser.add_argument("--junk", default="flag", help="drop, flag or keep, as `cryopick pick` takes it")
    parser.add_argument("--no-copies", action="store_true", help="leave out the filtered copies")
    parser.add_argument("--no-false-picks", action="store_true", help="leave out the particle-free views")
    options = parser.parse_args()
    model = load_model(options.weights, choose_device(options.device))
    config = PickConfig(quality=options.quality, junk=options.junk)
    sets = [
        one for one in (DEVELOPMENT if options.development else LABELLED) if fnmatch(one.name, options.sets)
    ]
    rows = []
    for one in sets:
        for row in judge_labelled(model, options.data, one, config, options.most):
            print(json.dumps(row), flush=True)
            rows.append(row)
            if options.no_copies:
                break
    for folder in sorted(options.simulated.iterdir()) if options.simulated else []:
        simulated = LabelledSet(f"simulated {folder.name}", str(folder), str(folder))
        files, reference = load_set(Path(), simulated, options.most)
        rows.append(judge(model, simulated.name, files, reference, config))
        print(json.dumps(rows[-1]), flush=True)
    false_picks = [] if options.no_false_picks else list(count_false_picks(model, options.data, config))
    print(as_markdown(rows), as_markdown(false_picks), sep="\n\n")
    facts = {
        "version": cryopick_cli.__version__,
        "weights": {"name": model.card.name, "sha256": model.card.sha256},
        "device": f"{model.device.device} ({model.device.reason})",
        "machine": platform.machine(),
        "labelled": rows,
        "particle-free": false_picks,
    }
    if options.out:
        options.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

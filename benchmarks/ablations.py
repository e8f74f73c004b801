"""Why training works: the same small training with one thing changed at a time.

    python benchmarks/ablations.py --data ../shared/data --out ablations --group loss

Groups (`--group` may be given several times; default all):

- `size`: particles of one size only (50 px in a view 1024 px wide, 200 px of 4096) against crops of random
  size cut from the same micrographs; both judged at 50 px and at 30 px (120 px of 4096), without rescaling.
- `loss`: size consistency off, as the talk writes it, and the robust log form.
- `data`: simulation only, real only (KLH training prefixes), both.
- `simulator`: each group of the simulator's effects switched off in turn.
- `network`: encoder, pyramid, subnets and crops of other sizes, each with as many steps as take the time of
  the shipped network's, as timed in the run without the loading of crops (`seconds_*.json`).

Every variant trains from a random start with equal steps (but `network`), batch, crops, seed and number of
simulated micrographs, and is judged on development data (KLH prefixes 012 and 013 at either focus) and on
held-out simulated structures, one-to-one within a quarter of the diameter, picked without a size.
`--apoferritin` judges on `apoferritin_10146`, too, for the report: nothing is to be chosen by it. Prints
Markdown rows as they come and writes `OUT/ablations.json`; finished variants are not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accuracy import LabelledSet, load_set
from held_out_samples import SAMPLES, one_sample, write_library
from numpy.typing import NDArray

from cryopick_cli.evaluation import evaluate_picks
from cryopick_cli.evaluation.matching import UNMATCHED, match_nearest_first
from cryopick_cli.formats.micrograph import Micrograph, read_micrograph
from cryopick_cli.model.anchors import lay_anchors
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice, choose_device
from cryopick_cli.model.losses import LossConfig, Targets, match_views
from cryopick_cli.model.weights import Model, load_model
from cryopick_cli.picking.calibrate import calibrate
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import ConsistencyConfig
from cryopick_cli.picking.detect import DetectConfig
from cryopick_cli.picking.pick import pick_micrograph
from cryopick_cli.simulation.config import AppearanceConfig, JunkConfig, OpticsConfig, SimulationConfig
from cryopick_cli.simulation.pool import simulate_folder
from cryopick_cli.training.config import CropConfig, OptimiserConfig, SourceConfig, TrainConfig
from cryopick_cli.training.loop import new_state, train_step
from cryopick_cli.training.train import TrainingTask, train
from cryopick_cli.units import Length

KLH = "micrographs/klh"
APOFERRITIN = "micrographs/apoferritin_10146"
DEVELOPMENT = ("01nov26b.012.*", "01nov26b.013.*")
NOT_FOR_TRAINING = tuple(f"01nov26b.0{number}.*" for number in (12, 13, 14, 15, 16))
HELD_OUT = ("6VSB", "6B5B")
"""Held-out structures of middle size that every variant is judged on."""

SURE = DetectConfig(floor=0.1)
"""Hardly trained networks answer faintly everywhere: candidates below this are left out, in all variants."""

TRAINED_PX, OTHER_PX = 50.0, 30.0
"""The seed's 200 and 120 px of 4096, in a view 1024 px wide."""

NATIVE = {"6VSB": OTHER_PX, "6B5B": TRAINED_PX}
"""What networks trained at one scale are judged on: structure -> diameter, px."""

Sizes = NDArray[np.float64]
DONE = "done"
ANY_SIZE = ConsistencyConfig(narrowest=5.0, widest=5.0)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One training: its changes to the common recipe and to the simulator."""

    name: str
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    crop: dict[str, float] = field(default_factory=dict)
    network: dict[str, int] = field(default_factory=dict)
    equal_time: bool = False
    """Take the steps that the shipped network's take the time of, in place of as many."""
    loss: dict[str, object] = field(default_factory=dict)
    simulated: bool = True
    real: bool = False
    native_scale: bool = False
    """Judge at 50 and 30 px without rescaling, in place of the usual sets."""


def groups() -> dict[str, list[Variant]]:
    """Name the variants of each group."""
    whole = SimulationConfig()
    one_size = replace(whole, particles=replace(whole.particles, diameter_px=(TRAINED_PX, TRAINED_PX)))
    fixed = {"working_share": 1.0, "working_spread": 0.0, "working_diameter_px": TRAINED_PX}
    plain_optics = OpticsConfig(
        voltage_200_share=0, voltage_120_share=0, spherical_aberration=(2.7, 2.7), defocus=(2.0, 2.0),
        astigmatism=(0, 0), amplitude_contrast=(0.1, 0.1), b_factor=(100, 100), phase_plate_probability=0,
        drift_probability=0, slab_probability=0,
    )  # fmt: skip
    no_looks = AppearanceConfig(filtered_probability=0, denoised_probability=0, eight_bit_probability=0)
    no_ice = replace(whole.junk, ice_noise=(1e-3, 1e-3))
    one_stage = replace(whole.detector, read_noise=(0.0, 0.0), modulation_at_nyquist=(1.0, 1.0))
    return {
        "size": [
            Variant(name="one size", simulation=one_size, crop=fixed, native_scale=True),
            Variant(name="random sizes", simulation=one_size, native_scale=True),
        ],
        "loss": [
            Variant(name="size consistency off", loss={"size_weight": 0.0}),
            Variant(name="as the talk writes it", loss={"size_form": "linear", "size_weight": 0.001}),
            Variant(name="log form (shipped)"),
        ],
        "data": [
            Variant(name="simulation only"),
            Variant(name="real only", simulated=False, real=True),
            Variant(name="both", real=True),
        ],
        "simulator": [
            Variant(name="whole simulator"),
            Variant(name="one microscope", simulation=replace(whole, optics=plain_optics)),
            Variant(name="no junk", simulation=replace(whole, junk=JunkConfig(strength=0.0))),
            Variant(name="shot noise only", simulation=replace(whole, junk=no_ice, detector=one_stage)),
            Variant(
                name="no procedural shapes",
                simulation=replace(whole, particles=replace(whole.particles, procedural_share=0.0)),
            ),
            Variant(name="no looks of shared data", simulation=replace(whole, appearance=no_looks)),
        ],
        "network": [
            Variant(name="shipped", equal_time=True),
            Variant(name="ResNet-34", network={"resnet_depth": 34}, equal_time=True),
            Variant(name="encoder of 48", network={"resnet_width": 48}, equal_time=True),
            Variant(name="encoder of 32", network={"resnet_width": 32}, equal_time=True),
            Variant(name="pyramid of 64", network={"pyramid_channels": 64}, equal_time=True),
            Variant(name="pyramid of 160", network={"pyramid_channels": 160}, equal_time=True),
            Variant(name="subnets of 2", network={"head_depth": 2}, equal_time=True),
            Variant(name="crops of 192 px", crop={"size_px": 192}, equal_time=True),
            Variant(name="crops of 384 px", crop={"size_px": 384}, equal_time=True),
        ],
    }


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Folders and the budget that all variants share."""

    data: Path
    out: Path
    steps: int
    crop_px: int
    micrographs: int
    device: DeviceChoice
    apoferritin: bool = False

    def simulate(self, config: SimulationConfig) -> Path:
        """Simulate the training micrographs of a configuration, once."""
        folder = self.out / "simulated" / f"{hash_of(config):08x}"
        library = self.out / "library"
        if not (library / "index.csv").is_file():
            write_library(self.data / "structures", library)
        list(
            simulate_folder(
                config, seed=31, numbers=range(self.micrographs), out=folder, library=library, workers=2
            )
        )
        return folder.resolve()

    def samples(self, diameters: dict[str, float]) -> Iterator[tuple[str, Path]]:
        """Simulate held-out structures to judge on, once."""
        for name, diameter in diameters.items():
            library = self.out / "libraries" / name
            write_library(self.data / "structures", library, only=name)
            folder = self.out / "held_out" / f"{name}_{diameter:.0f}px"
            list(
                simulate_folder(
                    one_sample(diameter), seed=32, numbers=range(6), out=folder, library=library, workers=2
                )
            )
            yield f"{name}, {diameter:.0f} px", folder

    def recipe(self, variant: Variant) -> TrainConfig:
        """Put the recipe of a variant together."""
        sources = []
        if variant.simulated:
            folder = self.simulate(variant.simulation)
            sources.append(SourceConfig(name="simulated", micrographs=folder, coordinates=folder))
        if variant.real:
            sources += [klh_source(focus, ignore) for focus, ignore in FOCI]
        steps = self.steps_of(variant)
        return TrainConfig(
            sources=tuple(sources),
            network=replace(NetworkConfig(), **variant.network),
            crop=replace(CropConfig(size_px=self.crop_px), **variant.crop),
            loss=replace(LossConfig(), **variant.loss),
            optimiser=OptimiserConfig(steps=steps, warm_up=100, average=0.99),
            checkpoint_every=steps,
            validate_every=steps,
            seed=3,
        )

    def steps_of(self, variant: Variant) -> int:
        """Give the steps of a variant: as many for all, or as many as take the same time."""
        if not variant.equal_time:
            return self.steps
        seconds = self.seconds_a_step()
        return round(self.steps * seconds[groups()["network"][0].name] / seconds[variant.name])

    def seconds_a_step(self) -> dict[str, float]:
        """Time a training step of every variant of the group `network`, in turns; once."""
        note = self.out / f"seconds_{self.crop_px}px.json"
        if not note.is_file():
            recipes = {one.name: self.recipe(replace(one, equal_time=False)) for one in groups()["network"]}
            note.write_text(json.dumps(time_steps(recipes, self.device), indent=1) + "\n")
        seconds: dict[str, float] = json.loads(note.read_text())
        return seconds

    def model_folder(self, variant: Variant) -> Path:
        """Give the folder of a variant's weights; groups share their common variant."""
        return self.out / "models" / f"{hash_of(self.recipe(variant)):08x}"


def time_steps(recipes: dict[str, TrainConfig], device: DeviceChoice, rounds: int = 12) -> dict[str, float]:
    """Give the median seconds of a training step on random views, without the loading of crops."""
    states = {name: new_state(recipe, device) for name, recipe in recipes.items()}
    seconds: dict[str, list[float]] = {name: [] for name in recipes}
    particle = Targets(torch.tensor([[100.0, 100.0, 40.0]]), torch.zeros(0, 3))
    for _ in range(rounds):
        for name, recipe in recipes.items():
            size, batch = recipe.crop.size_px, recipe.optimiser.batch
            matched = match_views(lay_anchors(recipe.network, size), [particle] * batch, recipe.loss.match)
            started = time.perf_counter()
            train_step(states[name], torch.randn(batch, 1, size, size), matched, recipe, device)
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


FOCI = (("far_from_focus", True), ("near_to_focus", False))


def hash_of(config: SimulationConfig | TrainConfig) -> int:
    """Give the same number for the same settings in every process."""
    return int.from_bytes(hashlib.sha256(repr(config).encode()).digest()[:4], "big")


def klh_source(focus: str, ignore: bool) -> SourceConfig:
    """Give the training prefixes of KLH at one focus, a tenth of the crops each."""
    return SourceConfig(
        name=focus,
        micrographs=Path(f"{KLH}/{focus}/images"),
        coordinates=Path(f"{KLH}/{focus}/coordinates"),
        ignore=Path(f"{KLH}/{focus}/ignore") if ignore else None,
        exclude=NOT_FOR_TRAINING,
        share=0.1,
    )


def judge(bench: Bench, variant: Variant, model: Model) -> dict[str, float]:
    """Judge a trained variant; gives figures by name."""
    if variant.native_scale:

        def native(name: str) -> PickConfig:
            return as_it_is(model, next(d for one, d in NATIVE.items() if name.startswith(one)))

        return figures(model, simulated_sets(bench, NATIVE), native)
    sets = simulated_sets(bench, {name: SAMPLES[name] for name in HELD_OUT}) + real_sets(bench)
    return figures(model, sets, lambda _: PickConfig(detection=SURE))


def as_it_is(model: Model, diameter_px: float) -> PickConfig:
    """Give the settings that show a micrograph at its own scale, and let every size through."""
    working = Length(model.card.operating_point.working_diameter_px, "px")
    apart = Length(0.5 * diameter_px, "px")
    return PickConfig(diameter=working, min_distance=apart, consistency=ANY_SIZE, detection=SURE)


def simulated_sets(bench: Bench, sizes: dict[str, float]) -> list[LabelledSet]:
    """List the held-out simulated samples."""
    return [LabelledSet(name, str(folder), str(folder)) for name, folder in bench.samples(sizes)]


def real_sets(bench: Bench) -> list[LabelledSet]:
    """List the real sets: KLH, its development prefixes, and apoferritin where that was asked for."""
    sets = []
    for focus, ignore in FOCI:
        folder = bench.data / KLH / focus
        doubtful = str(folder / "ignore") if ignore else None
        sets.append(
            LabelledSet(
                f"klh {focus}", str(folder / "images"), str(folder / "coordinates"), doubtful, DEVELOPMENT
            )
        )
    if bench.apoferritin:
        folder = bench.data / APOFERRITIN
        sets.append(LabelledSet("apoferritin", str(folder / "images"), str(folder / "coordinates")))
    return sets


def figures(model: Model, sets: list[LabelledSet], config: Callable[[str], PickConfig]) -> dict[str, float]:
    """Pick and compare every set: average precision, best F1, and spread of the sizes of true picks."""
    found: dict[str, float] = {}
    for one in sets:
        files, reference = load_set(Path(), one, 1000)
        picks = pick_set(model, files, config(one.name))
        pooled = evaluate_picks(picks, reference).pooled
        sizes_found = np.concatenate([true_sizes(picks[name], reference[name]) for name in picks])
        found[f"{one.name}: AP"] = round(pooled.average_precision, 3)
        found[f"{one.name}: best F1"] = round(pooled.best_f1, 3)
        found[f"{one.name}: diameter ratio"] = round(pooled.diameter_ratio, 3)
        found[f"{one.name}: spread of ln d"] = (
            round(float(np.log(sizes_found).std()), 3) if len(sizes_found) else 0.0
        )
    return found


def true_sizes(picks: pd.DataFrame, reference: pd.DataFrame) -> Sizes:
    """Give the diameters of accepted picks that match a particle, as shares of its diameter."""
    real = reference[~reference["ignore"].astype(bool)]
    chosen = picks[picks["accepted"]]
    found = match_nearest_first(
        chosen[["x", "y"]].to_numpy(), real[["x", "y"]].to_numpy(), real["diameter_px"].to_numpy() / 4
    ).reference_of_pick
    matched = found != UNMATCHED
    return chosen["diameter_px"].to_numpy()[matched] / real["diameter_px"].to_numpy()[found[matched]]


def pick_set(model: Model, files: list[Path], config: PickConfig) -> dict[str, pd.DataFrame]:
    """Pick files as one data set, in pixels."""
    micrographs: list[Micrograph] = [replace(read_micrograph(file), pixel_size=None) for file in files]
    names = [file.stem for file in files]
    calibration = calibrate(model, micrographs, names, config)
    return {
        name: pick_micrograph(model, micrograph, calibration, config)
        for name, micrograph in zip(names, micrographs, strict=True)
    }


def run(bench: Bench, group: str, variant: Variant) -> dict[str, object]:
    """Train and judge one variant."""
    recipe, folder = bench.recipe(variant), bench.model_folder(variant)
    if not (folder / DONE).exists():
        train(recipe, TrainingTask(data=bench.data, out=folder, resume=True), bench.device)
        (folder / DONE).touch()
    model = load_model(str(folder), bench.device)
    own = {"steps taken": recipe.optimiser.steps} if variant.equal_time else {}
    return {"group": group, "variant": variant.name, **budget(bench), **own, **judge(bench, variant, model)}


def budget(bench: Bench) -> dict[str, int]:
    """Give what all variants share, for the record."""
    return {"steps": bench.steps, "crop px": bench.crop_px, "micrographs": bench.micrographs}


def main() -> None:
    """Parse the command line, run the variants that are not done, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--group", action="append", choices=list(groups()))
    names = {variant.name for group in groups().values() for variant in group}
    parser.add_argument(
        "--variant", action="append", choices=sorted(names), help="only these; may be given several times"
    )
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--crop-px", type=int, default=320)
    parser.add_argument("--micrographs", type=int, default=300, help="simulated for each variant")
    parser.add_argument("--apoferritin", action="store_true", help="judge on apoferritin_10146, too")
    options = parser.parse_args()
    chosen = {variant.name for group in options.group or groups() for variant in groups()[group]}
    if left := set(options.variant or ()) - chosen:
        parser.error(f"--variant {', '.join(sorted(left))}: not in the groups asked for")
    bench = Bench(
        data=options.data.resolve(), out=options.out, steps=options.steps, crop_px=options.crop_px,
        micrographs=options.micrographs, device=choose_device("auto"), apoferritin=options.apoferritin,
    )  # fmt: skip
    record = options.out / "ablations.json"
    rows = json.loads(record.read_text()) if record.exists() else []
    if any(row[key] != value for row in rows for key, value in budget(bench).items()):
        raise SystemExit(f"{record}: holds variants of another budget; give another --out")
    if bench.apoferritin:  # rows of a run without it are judged anew, on the weights that are there
        rows = [row for row in rows if row["group"] == "size" or "apoferritin: AP" in row]
    done = {(row["group"], row["variant"]) for row in rows}
    for group in options.group or list(groups()):
        for variant in groups()[group]:
            wanted = not options.variant or variant.name in options.variant
            if wanted and (group, variant.name) not in done:
                rows.append(run(bench, group, variant))
                record.write_text(json.dumps(rows, indent=1) + "\n")
        print_table([row for row in rows if row["group"] == group])


def print_table(rows: list[dict[str, object]]) -> None:
    """Print one group as Markdown."""
    if rows:
        header = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "group"]
        print("| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
        for row in rows:
            print("| " + " | ".join(str(row.get(key, "")) for key in header) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Simulated against real micrographs: power spectra, grey levels, local contrast, and contact sheets.

    python benchmarks/simulation_realism.py --data ../shared/data --out docs/explanation/images

Writes ``simulation-statistics.png`` (the plot), ``simulation-statistics.md`` (the numbers),
``simulation-contact-sheet.png`` (36 simulated and 12 real views, in random order), its key and
``simulation-effects.png`` (every effect once). Needs matplotlib. Real micrographs that may not be
shown are measured and not drawn.

Every micrograph is first reduced to 1024 px (by area), freed of its background (a Gaussian of an eighth of
its side) and scaled by median and median absolute deviation, which is what the network sees.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.simulation.config import (
    AppearanceConfig,
    DetectorConfig,
    JunkConfig,
    LayoutConfig,
    OpticsConfig,
    ParticleConfig,
    SimulationConfig,
)
from cryopick_cli.simulation.simulate import simulate_micrograph
from cryopick_cli.simulation.structures import StructureLibrary

mpl.use("Agg")
from matplotlib import pyplot as plt

Array = NDArray[np.float32]

VIEW_PX = 1024
SIGMAS = (0.7, 1.4, 2.8, 5.6, 11.2, 22.4)
# The folder, which files, how many at most, and whether views may be shown in the documents.
REAL_SETS = {
    "KLH, far from focus": ("klh/far_from_focus/images", "*", 14, True),
    "KLH, near to focus": ("klh/near_to_focus/images", "*", 12, True),
    "apoferritin 10146": ("apoferritin_10146/images", "*", 10, False),
    "quality: great, decent": ("quality_classes", "[01]*/*.png", 10, True),
    "quality: bad, empty": ("quality_classes", "[2345]*/*.png", 14, True),
    "ribosome-like": ("ribosome_like_061", "061.png", 1, True),
    "ice ball": ("ice_ball_mrc", "Ucsf_stack_1142_DW.mrc", 1, True),
}
TILE_PX, GREY_LEVELS = 136, 12
GREY_EDGES = np.linspace(-6, 6, 61)


def prepare(array: Array) -> Array:
    """Reduce to a view of at most 1024 px, take the background away, scale to deviation 1, clip at 20."""
    factor = max(1.0, max(array.shape) / VIEW_PX)
    height, width = (round(side / factor) for side in array.shape)
    view = np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BOX))
    view = view - ndimage.gaussian_filter(view, max(view.shape) / 8.0, truncate=2.0)
    centre = np.median(view)
    deviation = 1.4826 * np.median(np.abs(view - centre)) + 1e-9
    return np.clip((view - centre) / deviation, -20.0, 20.0).astype(np.float32)


def radial_power(view: Array, bins: int = 48) -> NDArray[np.float64]:
    """Give log10 of the mean power in rings of equal width up to Nyquist, less that of the whole."""
    side = min(view.shape)
    power = np.abs(np.fft.fft2(view[:side, :side] * np.outer(np.hanning(side), np.hanning(side)))) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    ring = np.minimum((frequency / 0.5 * bins).astype(int), bins)
    mean = (
        np.bincount(ring.ravel(), power.ravel(), bins + 1)[:bins]
        / np.bincount(ring.ravel(), minlength=bins + 1)[:bins]
    )
    return np.log10(mean / mean.mean() + 1e-9)


def statistics(view: Array) -> dict[str, float]:
    """Give the contrast at each scale, and grey-level and local-contrast statistics, of a prepared view."""
    levels = [view, *(ndimage.gaussian_filter(view, sigma, truncate=3.0) for sigma in SIGMAS)]
    total = float(view.std())
    found = {
        f"contrast at {sigma:g} px": float(np.log10((levels[i] - levels[i + 1]).std() / total))
        for i, sigma in enumerate(SIGMAS)
    }
    found["contrast beyond"] = float(np.log10(levels[-1].std() / total))
    for name, level in (("", levels[0]), (", smoothed by 2.8 px", levels[3])):
        standard = (level - level.mean()) / level.std()
        found[f"skewness{name}"] = float((standard**3).mean())
        found[f"log10 (3 + excess kurtosis){name}"] = float(np.log10((standard**4).mean()))
        height, width = (side // 32 * 32 for side in level.shape)
        blocks = level[:height, :width].reshape(height // 32, 32, width // 32, 32).std(axis=(1, 3))
        found[f"log10 spread of local contrast{name}"] = float(np.log10(blocks.std() / blocks.mean()))
    return found


@dataclass(frozen=True)
class Measured:
    """What is kept of a micrograph: its curves, its figures, and the tile that the contact sheet may show."""

    spectrum: NDArray[np.float64]
    grey_levels: NDArray[np.float64]
    figures: dict[str, float]
    tile: NDArray[np.uint8]


def measure(view: Array) -> Measured:
    """Measure a prepared view."""
    grey_levels = np.log10(np.histogram(view, GREY_EDGES, density=True)[0] + 1e-6)
    return Measured(radial_power(view), grey_levels, statistics(view), make_tile(view, 512))


def read_real(data: Path) -> dict[str, list[Measured]]:
    """Measure the real micrographs of every set at hand."""
    found = {}
    for name, (folder, pattern, most, _) in REAL_SETS.items():
        paths = sorted((data / "micrographs" / folder).glob(pattern))
        step = max(1, len(paths) // most)
        found[name] = [measure(prepare(read_micrograph(path).array)) for path in paths[::step][:most]]
    return {name: views for name, views in found.items() if views}


def compare(simulated: list[Measured], real: dict[str, list[Measured]]) -> tuple[pd.DataFrame, float]:
    """Tabulate simulated quantiles and real medians; gives the share of the latter within 5 to 95 %."""
    table = pd.DataFrame([one.figures for one in simulated]).quantile([0.05, 0.5, 0.95]).T
    table.columns = pd.Index(["simulated, 5 %", "median", "95 %"])
    inside = []
    for name, views in real.items():
        median = pd.DataFrame([one.figures for one in views]).median()
        within = (median >= table["simulated, 5 %"]) & (median <= table["95 %"])
        inside.append(within)
        table[name] = [
            f"{value:.2f}{'' if good else ' (out)'}" for value, good in zip(median, within, strict=True)
        ]
    return table.round(2), float(np.mean(inside))


def as_markdown(table: pd.DataFrame) -> str:
    """Write a table with its index as Markdown."""
    lines = ["| | " + " | ".join(map(str, table.columns)) + " |", "|---" * (len(table.columns) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(map(str, row)) + " |"
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def plot(simulated: list[Measured], real: dict[str, list[Measured]], path: Path) -> None:
    """Draw spectra, grey levels and contrast by scale: the simulated spread as bands, the real as lines."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    panels: list[tuple[str, str, NDArray[np.float64], Callable[[Measured], NDArray[np.float64]]]] = [
        ("Radial power spectrum", "frequency, 1/px", (np.arange(48) + 0.5) / 96, lambda one: one.spectrum),
        ("Grey levels", "grey level, deviations", GREY_EDGES[1:] - 0.1, lambda one: one.grey_levels),
        (
            "Contrast by scale",
            "scale, px",
            np.array(SIGMAS),
            lambda one: np.array(list(one.figures.values())[: len(SIGMAS)]),
        ),
    ]
    for axis, (title, label, x, curve) in zip(axes, panels, strict=True):
        curves = np.array([curve(one) for one in simulated])
        for low, high, shade in ((5, 95, 0.85), (25, 75, 0.7)):
            axis.fill_between(x, *np.percentile(curves, [low, high], axis=0), color=str(shade), lw=0)
        for name, views in real.items():
            axis.plot(x, np.median([curve(one) for one in views], axis=0), lw=1.1, label=name)
        axis.set(title=title, xlabel=label, ylabel="log10")
    axes[2].set_xscale("log")
    axes[1].set_ylim(-5, 0.2)
    axes[2].legend(fontsize=7)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def make_tile(view: Array, crop_px: int) -> NDArray[np.uint8]:
    """Cut the middle of a view and shrink it to a tile at fixed contrast."""
    crop_px = min(crop_px, *view.shape)
    top, left = ((side - crop_px) // 2 for side in view.shape)
    small = Image.fromarray(view[top : top + crop_px, left : left + crop_px]).resize(
        (TILE_PX, TILE_PX), Image.Resampling.BOX
    )
    values = np.asarray(small)
    spread = 1.4826 * np.median(np.abs(values - np.median(values))) + 1e-9
    return np.clip((values - np.median(values)) / spread / 7.0 * 255.0 + 128.0, 0, 255).astype(np.uint8)


def save_sheet(
    tiles: list[NDArray[np.uint8]], columns: int, path: Path, labels: list[str] | None = None
) -> None:
    """Write tiles row by row as a PNG of few grey levels (noise does not compress otherwise)."""
    rows = -(-len(tiles) // columns)
    sheet = Image.new("L", (columns * (TILE_PX + 2), rows * (TILE_PX + 2)), 255)
    for number, one in enumerate(tiles):
        place = (number % columns * (TILE_PX + 2), number // columns * (TILE_PX + 2))
        sheet.paste(Image.fromarray(one), place)
        if labels is not None:
            draw = ImageDraw.Draw(sheet)
            draw.rectangle((*place, place[0] + TILE_PX, place[1] + 12), fill=255)
            draw.text((place[0] + 2, place[1]), labels[number], fill=0)
    sheet.quantize(GREY_LEVELS).save(path, optimize=True)


def contact_sheet(simulated: list[Measured], real: dict[str, list[Measured]], out: Path) -> None:
    """Mix 36 simulated with 12 real views that may be shown; write the sheet and its key."""
    wanted = {
        "KLH, far from focus": 4,
        "KLH, near to focus": 2,
        "quality: great, decent": 2,
        "quality: bad, empty": 2,
    }
    shown = [
        (name, one.tile)
        for name, views in real.items()
        if REAL_SETS[name][3]
        for one in views[: wanted.get(name, 1)]
    ]
    tiles = [("simulated", one.tile) for one in simulated[: 48 - len(shown)]] + shown
    order = np.random.default_rng(0).permutation(len(tiles))
    save_sheet([tiles[number][1] for number in order], 8, out / "simulation-contact-sheet.png")
    key = [
        f"row {place // 8 + 1}, column {place % 8 + 1}: {tiles[number][0]}"
        for place, number in enumerate(order)
        if tiles[number][0] != "simulated"
    ]
    (out / "simulation-contact-sheet-key.md").write_text(
        "".join(f"- {line}\n" for line in key), encoding="utf-8"
    )


def effects_sheet(library: StructureLibrary, out: Path) -> None:
    """Draw the same kind of micrograph once with each effect of every section."""
    nothing = {item.name: 0.0 for item in fields(JunkConfig) if item.name.endswith("_probability")}
    plain = SimulationConfig(
        particles=ParticleConfig(diameter_px=(44.0, 44.0), second_species_probability=0.0),
        layout=LayoutConfig(empty_probability=0.0, coverage=(0.2, 0.2), spacing=(1.1, 1.1)),
        optics=OpticsConfig(phase_plate_probability=0.0, drift_probability=0.0, defocus=(1.5, 2.5)),
        detector=DetectorConfig(hot_pixel_probability=0.0, dead_line_probability=0.0, stripe_probability=0.0),
        junk=JunkConfig(**nothing),  # type: ignore[arg-type]
        appearance=AppearanceConfig(
            filtered_probability=0.0, denoised_probability=0.0, eight_bit_probability=0.0
        ),
    )
    cases: list[tuple[str, SimulationConfig]] = [("none", plain)]
    for name in nothing:
        cases.append((name, replace(plain, junk=replace(plain.junk, **{name: 1.0}))))
    for name in ("phase_plate_probability", "drift_probability", "slab_probability"):
        cases.append((name, replace(plain, optics=replace(plain.optics, **{name: 1.0}))))
    for name in ("hot_pixel_probability", "dead_line_probability", "stripe_probability"):
        cases.append((name, replace(plain, detector=replace(plain.detector, **{name: 1.0}))))
    for item in fields(AppearanceConfig):
        cases.append((item.name, replace(plain, appearance=replace(plain.appearance, **{item.name: 1.0}))))
    tiles = [
        make_tile(prepare(simulate_micrograph(config, 21, library).array), VIEW_PX) for _, config in cases
    ]
    labels = [name.removesuffix("_probability").replace("_", " ") for name, _ in cases]
    save_sheet(tiles, 8, out / "simulation-effects.png", labels)


def main() -> None:
    """Simulate, read, compare, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with micrographs/ and structures/")
    parser.add_argument("--out", type=Path, required=True, help="folder for plots and tables")
    parser.add_argument("--count", type=int, default=200, help="simulated micrographs (default 200)")
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first of them (default 1000)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    library = StructureLibrary.open(arguments.data / "structures")
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    real = read_real(arguments.data)
    simulated = [
        measure(prepare(simulate_micrograph(SimulationConfig(), seed, library).array)) for seed in seeds
    ]
    table, share = compare(simulated, real)
    text = (
        as_markdown(table)
        + f"\n{share:.0%} of the medians of real sets lie within the simulated 5 to 95 %.\n"
    )
    (arguments.out / "simulation-statistics.md").write_text(text, encoding="utf-8")
    print(text)
    plot(simulated, real, arguments.out / "simulation-statistics.png")
    contact_sheet(simulated, real, arguments.out)
    effects_sheet(library, arguments.out)


if __name__ == "__main__":
    main()

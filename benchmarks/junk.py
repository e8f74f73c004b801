"""What the mask of junk removes, and what it costs, on real micrographs with junk and on clean ones.

    python benchmarks/junk.py --data ../shared/data --pictures docs/explanation/images

Prints two Markdown tables. The first: how much of each view is masked, and for the micrograph that comes with
a mask of its contamination, how well the two agree where that mask is above one half. The second: how many
reference particles would be lost, those with half of their disc or more on junk. Only the mask is measured;
no network takes part. The quality classes come without a particle size; 14 px is assumed of their reduced
pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.imaging.junk import JunkMask, find_junk
from cryopick_cli.imaging.resample import resample

QUALITY_DIAMETER_PX, ICE_BALL_DIAMETER_PX = 14.0, 25.0
# Set, folder of micrographs, folder of coordinates or the one file; the first are for development.
CLEAN = (
    ("KLH far from focus", "klh/far_from_focus/images", "klh/far_from_focus/coordinates"),
    ("KLH near to focus", "klh/near_to_focus/images", "klh/near_to_focus/coordinates"),
    ("ribosome_like_061", "ribosome_like_061/061.png", "ribosome_like_061/coordinates.csv"),
)
HELD_BACK = ("apoferritin_10146", "apoferritin_10146/images", "apoferritin_10146/coordinates")
# Diameters as misjudged as a picker may do it.
BELIEVED = (1.0, 0.8, 1.25)
SHOWN = (
    "ice_ball_mrc/Ucsf_stack_1142_DW.mrc",
    "quality_classes/0Great/19may13c*",
    "quality_classes/2Contamination*/19jun18a*",
    "quality_classes/2Contamination*/20feb12b*",
    "quality_classes/3Empty_no_ice/19aug17a*",
    "quality_classes/4Crystalline_ice/19aug14a*",
)


def masked(path: Path) -> tuple[NDArray[np.float32], JunkMask]:
    """Give a view with junk and its mask."""
    array = read_micrograph(path).array
    is_quality = "quality_classes" in path.parts
    return array, find_junk(array, QUALITY_DIAMETER_PX if is_quality else ICE_BALL_DIAMETER_PX)


def judge_views(folder: Path) -> Iterator[tuple[str, ...]]:
    """Tell of every view of unknown reference how much of it is masked."""
    path = folder / "ice_ball_mrc/Ucsf_stack_1142_DW.mrc"
    mask = masked(path)[1].full() > 0.5
    known = read_micrograph(folder / "ice_ball_mrc/contamination_mask.mrc").array > 0.5
    both = (mask & known).sum()
    agreement = f"{both / known.sum():.0%} of the known mask found, {both / mask.sum():.0%} of ours in it"
    yield path.stem, f"{mask.mean():.1%}", agreement
    for source in find_micrographs([str(folder / "quality_classes")]):
        name = f"{source.path.parent.name}/{source.path.stem[:24]}"
        yield name, f"{masked(source.path)[1].area:.1%}", ""


def judge_clean(
    folder: Path, one: tuple[str, str, str], held_back: bool, every: int
) -> Iterator[tuple[str, ...]]:
    """Count the reference particles of a set that the mask would take away."""
    name, micrographs, coordinates = one
    paths = [source.path for source in find_micrographs([str(folder / micrographs)])]
    if not held_back:
        paths = [path for path in paths if not fnmatch(path.name, "01nov26b.01[456]*")]
    paths = paths[::every]
    for factor in BELIEVED:
        lost = total = 0
        area = []
        for path in paths:
            file = folder / coordinates
            table = read_coordinates(file if file.is_file() else file / f"{path.stem}.csv")
            x, y, diameter = (table[column].to_numpy() for column in ("x", "y", "diameter_px"))
            mask = find_junk(read_micrograph(path).array, factor * float(np.median(diameter)))
            lost += int((mask.share(x, y, diameter) >= 0.5).sum())
            total += len(table)
            area.append(mask.area)
        yield (
            name,
            f"{factor:g}",
            str(len(paths)),
            str(total),
            str(lost),
            f"{lost / total:.2%}",
            f"{np.mean(area):.1%}",
        )


def draw(folder: Path, out: Path) -> None:
    """Draw views beside each other with the outline of their masks."""
    tiles = []
    for pattern in SHOWN:
        path = sorted(folder.glob(pattern))[0]
        array, mask = masked(path)
        side = (270, 270)
        grey = resample(np.nan_to_num(array), side)
        low, high = np.percentile(grey, [1, 99])
        picture = np.repeat((np.clip((grey - low) / (high - low), 0, 1) * 210)[..., None], 3, axis=2)
        junk = resample(mask.full(), side) > 0.5
        outline = junk & ~ndimage.binary_erosion(junk, iterations=2)
        picture[junk] = 0.75 * picture[junk] + 0.25 * np.array([255, 170, 0])
        picture[outline] = (255, 170, 0)
        tiles.append(np.pad(picture, ((3, 3), (3, 3), (0, 0)), constant_values=255))
    sheet = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])
    image = Image.fromarray(sheet.astype(np.uint8)).quantize(32)
    image.save(out, optimize=True)


def as_markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Write rows as a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Parse the command line, measure, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with micrographs/, as shared for CI")
    parser.add_argument("--pictures", type=Path, help="folder for junk-masks.png")
    parser.add_argument(
        "--held-back", action="store_true", help="judge the sets that nothing was chosen on too"
    )
    parser.add_argument("--every", type=int, default=1, help="take every N-th micrograph of the clean sets")
    options = parser.parse_args()
    folder = options.data / "micrographs"
    if options.pictures:
        draw(folder, options.pictures / "junk-masks.png")
    print(as_markdown(("view", "masked", "against the known mask"), list(judge_views(folder))))
    sets = (*CLEAN, HELD_BACK) if options.held_back else CLEAN
    header = ("set", "diameter believed", "micrographs", "reference", "lost", "share", "view masked")
    print("", as_markdown(header, []), sep="\n", flush=True)
    for one in sets:
        for row in judge_clean(folder, one, options.held_back, options.every):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()

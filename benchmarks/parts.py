"""What each part between network and picks is worth: parts are added one after the other.

    python benchmarks/parts.py --data ../shared/data --out parts.json

Starts from one view of fixed size in which any size counts, cut at a score of 0.5, as a plain detector would
be used. Then come the view at the particle's own scale, the size prior, the automatic threshold, and the mask
of junk. The last row is the picker with its defaults. Sets are those of `accuracy.py`; each cell is average
precision, best F1, and F1 at the threshold. Parts were settled on the development sets only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from accuracy import DEVELOPMENT, LABELLED, as_markdown, judge, load_set

from cryopick_cli.formats.micrograph import read_micrograph_header
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.units import Length

CUT = 0.5
Configure = Callable[[Model, Path], PickConfig]


def one_look(model: Model, file: Path) -> PickConfig:
    """Show every micrograph in a view whose short side is the middle one of those that are searched."""
    plain = PickConfig()
    factor = min(read_micrograph_header(file).shape) / plain.scale.middle_px
    diameter = Length(factor * model.card.operating_point.working_diameter_px, "px")
    return PickConfig(diameter=diameter, size_prior="off", threshold=CUT, junk="keep")


PARTS: dict[str, Configure] = {
    "one view, any size, cut at 0.5": one_look,
    "+ view at the particle's scale": lambda *_: PickConfig(size_prior="off", threshold=CUT, junk="keep"),
    "+ size prior": lambda *_: PickConfig(threshold=CUT, junk="keep"),
    "+ automatic threshold": lambda *_: PickConfig(junk="keep"),
    "+ junk fades (the defaults)": lambda *_: PickConfig(),
}


def main() -> None:
    """Parse the command line, judge every part on every set, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--sets", default="*", help="glob of the sets to judge")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    model = load_model(options.weights, choose_device("auto"))
    rows: list[dict[str, object]] = [{"parts": name} for name in PARTS]
    for one in (*DEVELOPMENT, *LABELLED):
        if not fnmatch(one.name, options.sets):
            continue
        files, reference = load_set(options.data, one, 1000)
        for row, configure in zip(rows, PARTS.values(), strict=True):
            found = judge(model, one.name, files, reference, configure(model, files[0]))
            row[one.name] = ", ".join(f"{found[key]:.3f}" for key in ("AP", "best F1", "F1 at auto"))
            print(json.dumps({"parts": row["parts"], **found}), flush=True)
    print(as_markdown(rows))
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

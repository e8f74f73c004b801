"""What each part between network and picks is worth: parts are added one after the other.

    python benchmarks/parts.py --data ../shared/data --out parts.json

Starts from one view of fixed size in which any size counts, cut at a score of 0.5, as a plain detector would
be used. Then come the view at the particle's own scale, the size prior, the automatic threshold, the mask of
junk, and centres on the mean particle. The last row is the picker with its defaults. In all rows picks are
half a found diameter apart. Sets are those of `accuracy.py`; each cell is average precision, best F1, and F1
at the threshold. Parts were settled on the development sets only.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from accuracy import DEVELOPMENT, LABELLED, as_markdown, judge, load_set, pick_files

from cryopick_cli.formats.micrograph import read_micrograph_header
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, load_model
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.cross_check import CrossCheckConfig
from cryopick_cli.units import Length

CUT = 0.5
NOT_CENTRED = CrossCheckConfig(fewest_picks=10**9)


def parts(found: PickConfig, file: Path, working_diameter_px: float) -> dict[str, PickConfig]:
    """Name the settings of every row; ``found`` has the distance of picks that all rows share."""
    factor = min(read_micrograph_header(file).shape) / found.scale.middle_px
    as_found = replace(found, cross_check=NOT_CENTRED)
    bare = replace(as_found, size_prior="off", threshold=CUT, junk="keep")
    return {
        "one view, any size, cut at 0.5": replace(bare, diameter=Length(factor * working_diameter_px, "px")),
        "+ view at the particle's scale": bare,
        "+ size prior": replace(as_found, threshold=CUT, junk="keep"),
        "+ automatic threshold": replace(as_found, junk="keep"),
        "+ junk fades": as_found,
        "+ centres (the defaults)": found,
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
    working = model.card.operating_point.working_diameter_px
    rows: dict[str, dict[str, object]] = {}
    for one in (*DEVELOPMENT, *LABELLED):
        if not fnmatch(one.name, options.sets):
            continue
        files, reference = load_set(options.data, one, 1000)
        _, calibration = pick_files(model, files, PickConfig())
        if calibration.prior is None:
            raise SystemExit(f"{one.name}: no diameter found")
        apart = Length(0.5 * calibration.prior.diameter, "px" if calibration.unit == "px" else "A")
        for part, config in parts(PickConfig(min_distance=apart), files[0], working).items():
            found = judge(model, one.name, files, reference, config)
            row = rows.setdefault(part, {"parts": part})
            row[one.name] = ", ".join(f"{found[key]:.3f}" for key in ("AP", "best F1", "F1 at auto"))
            print(json.dumps({"parts": part, **found}), flush=True)
    print(as_markdown(list(rows.values())))
    if options.out:
        options.out.write_text(json.dumps(list(rows.values()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The mean of several weights of one network, as a folder of weights.

    python benchmarks/mean_weights.py phase5 phase6 --out general

Parameters and the statistics of batch normalisation are averaged in single precision; counters, and the card,
are those of the last. Weights that were trained on from one another lie near enough for that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import load_model, save_model


def main() -> None:
    """Parse the command line, average, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", help="folders of weights")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    models = [load_model(name, choose_device("cpu")) for name in options.weights]
    states = [model.network.state_dict() for model in models]
    last = models[-1]
    mean = {
        key: torch.stack([state[key].float() for state in states]).mean(dim=0)
        if value.is_floating_point()
        else value
        for key, value in states[-1].items()
    }
    last.network.load_state_dict(mean)
    save_model(options.out, last.network, options.out.name, last.card.operating_point, last.card.about)


if __name__ == "__main__":
    main()

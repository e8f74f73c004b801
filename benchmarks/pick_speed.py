"""Where the time of `cryopick pick` goes: read, view, junk, network, decode, weigh, write.

    cryopick simulate --structures DATA/structures --count 8 --full-size --out MICROGRAPHS
    python benchmarks/pick_speed.py --in MICROGRAPHS --device auto

The first line makes micrographs where there are none. First the folder is calibrated and picked as users
have it, where threads read and prepare the next micrographs while the network looks at one. Then each stage
is timed by itself, one micrograph after the other: medians of wall and processor time, and the share of the
stages' sum. `weigh` is all between candidates and picks, centring too. Coordinate files are written to a
temporary folder. Not timed: start of Python, loading of the weights, reading of headers, pictures, and the
tables over all micrographs. On a busy machine look at the processor time; with OMP_NUM_THREADS=1 it is that
of one thread.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

import cryopick_cli
from cryopick_cli.formats.inputs import MicrographSource, find_micrographs
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.network import Output
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.batch import Batch, kind_of, read_source
from cryopick_cli.picking.candidates import look, prepare_views
from cryopick_cli.picking.config import QUALITIES, PickConfig
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.pick import Sight, pick_micrograph
from cryopick_cli.picking.result import Result
from cryopick_cli.picking.run_folder import RunFolder
from cryopick_cli.picking.weighing import find_mask, judge_mask

STAGES = ("read", "view", "junk", "network", "decode", "weigh", "write")


class Clock:
    """Wall and processor time of whatever is named, with the device's work done."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def now(self) -> tuple[float, float]:
        """Wait for the device; give wall and processor time, s."""
        if self.device.type != "cpu":
            getattr(torch, self.device.type).synchronize()
        return time.perf_counter(), time.process_time()

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        wall, processor = self.now()
        yield
        after = self.now()
        self.spent[name].append((after[0] - wall, after[1] - processor))

    def median(self, name: str) -> tuple[float, float]:
        """Give the medians of wall and processor time."""
        wall, processor = zip(*self.spent[name], strict=True)
        return statistics.median(wall), statistics.median(processor)


class TimedNetwork(torch.nn.Module):
    """A network whose own time is taken."""

    def __init__(self, network: torch.nn.Module, clock: Clock) -> None:
        super().__init__()
        self.network, self.clock, self.multiple = network, clock, network.multiple

    def forward(self, view: torch.Tensor) -> Output:
        """Look, and time it."""
        with self.clock.timing("network"):
            return self.network(view)


def time_run(
    model: Model, sources: Sequence[MicrographSource], config: PickConfig, folder: RunFolder, clock: Clock
) -> Batch:
    """Time calibration and picking as users have them."""
    batch = Batch(model, config)
    with clock.timing("calibration"):
        batch.calibrate(sources)
    with clock.timing("picking"):
        for result in batch.pick(sources):
            folder.write(result)
            if result.error:
                raise SystemExit(result.error)
    return batch


def time_stages(
    model: Model, source: MicrographSource, batch: Batch, folder: RunFolder, clock: Clock
) -> None:
    """Pick one micrograph stage by stage."""
    config, point = batch.config, model.card.operating_point
    with clock.timing("read"):
        micrograph = read_source(source, None)
    shape, pixel_size = micrograph.array.shape, micrograph.pixel_size
    learnt = batch.calibrations[kind_of(shape, pixel_size, config)]
    diameter, light = learnt.diameter_px(pixel_size), learnt.light
    with clock.timing("view"):
        views = prepare_views(model, micrograph.array, diameter, config, light=light)
    with clock.timing("junk"):
        mask = find_mask(micrograph, learnt.prior, config, light=light)
    timed = Model(TimedNetwork(model.network, clock), model.card, model.device)
    looks = len(clock.spent["network"])
    with clock.timing("decode"):
        found = look(timed, views, config)
    own = np.sum(clock.spent["network"][looks:], axis=0)
    clock.spent["network"][looks:] = [tuple(own)]
    clock.spent["decode"][-1] = tuple(np.subtract(clock.spent["decode"][-1], own))
    with clock.timing("weigh"):
        sight = Sight(found, judge_mask(mask, found, point), views[0])
        picks = pick_micrograph(model, micrograph, learnt, config, sight)
    box = learnt.box_size_px(pixel_size)
    result = Result(source, 0.0, picks, (shape[0], shape[1]), pixel_size, box, junk=sight.mask)
    with clock.timing("write"):
        folder.write(result)


def table(clock: Clock, calibrated: int, picked: int) -> Iterator[str]:
    """Give the lines of a Markdown table; calibration and picking are divided by their micrographs."""
    yield "| a micrograph | wall, s | processor, s | share of the stages |\n|---|---|---|---|"
    each = [clock.median(name) for name in STAGES]
    total = np.sum(each, axis=0)
    for name, (wall, processor) in zip(STAGES, each, strict=True):
        yield f"| {name} | {wall:.3f} | {processor:.3f} | {processor / total[1]:.0%} |"
    yield f"| sum of the stages, one after the other | {total[0]:.3f} | {total[1]:.3f} | 100% |"
    for name, count in (("picking", picked), ("calibration", calibrated)):
        wall, processor = (spent / count for spent in clock.spent[name][0])
        share = f"wall {wall / total[0]:.0%}, processor {processor / total[1]:.0%}"
        yield f"| {name}, as users have it ({count} micrographs) | {wall:.3f} | {processor:.3f} | {share} |"


def main() -> None:
    """Parse the command line, time the run and its stages, and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--in", dest="micrographs", required=True, help="folder, glob or list of micrographs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--quality", default="normal", choices=QUALITIES)
    parser.add_argument("--repeats", type=int, default=3, help="rounds over the stages (default 3)")
    options = parser.parse_args()
    model = load_model(options.weights, choose_device(options.device))
    config, clock = PickConfig(quality=options.quality), Clock(model.device.device)
    sources = find_micrographs([options.micrographs])
    with tempfile.TemporaryDirectory() as out:
        folder = RunFolder(Path(out), OutputConfig())
        folder.prepare(sources, overwrite=True, resume=False)
        batch = time_run(model, sources, config, folder, clock)
        for source in list(sources) * options.repeats:
            time_stages(model, source, batch, folder, clock)
    calibrated = sum(len(one.micrographs) for one in batch.calibrations.values())
    shape = read_source(sources[0], None).array.shape
    print(
        f"cryopick {cryopick_cli.__version__}, weights {model.card.name}, quality {options.quality}, "
        f"{len(sources)} micrographs (the first {shape[1]} x {shape[0]}); device {model.device.device} "
        f"({model.device.reason}); {platform.machine()}, {torch.get_num_threads()} threads of torch, "
        f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}\n"
    )
    print("\n".join(table(clock, calibrated, len(sources))))


if __name__ == "__main__":
    main()

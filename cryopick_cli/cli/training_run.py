"""A training run as the commands see it: check of the coordinates, training, record, and words about them.

`cryopick train` and its form as a job of RELION share it. It decides nothing about training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cryopick_cli
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import RunRecord
from cryopick_cli.errors import WeightsError
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.weights import Model, load_model
from cryopick_cli.settings import to_mapping
from cryopick_cli.training.config import OptimiserConfig, TrainConfig
from cryopick_cli.training.labels_check import check_source
from cryopick_cli.training.loop import Progress
from cryopick_cli.training.loss_log import LOSSES_FILE, add_loss, keep_losses_before
from cryopick_cli.training.train import TrainingTask
from cryopick_cli.training.train import train as train_model

RANDOM_START = "none"
INITIAL = "initial_weights"
# Fine-tuning starts from good weights: few steps, small ones.
FINE_TUNING = OptimiserConfig(steps=600, learning_rate=2e-4, warm_up=50)


@dataclass
class TrainingRun:
    """One training run, step by step.

    Attributes
    ----------
    console, record
        Where words and the run record go.
    config, data, out, device, initial, name
        As :func:`cryopick_cli.training.train.train` and its task take them.
    stop : callable
        Asked after each step whether to end here; what is done is kept.
    losses : list of (int, float)
        Steps of this run with their loss.
    """

    console: Console
    record: RunRecord
    config: TrainConfig
    data: Path
    out: Path
    device: DeviceChoice
    initial: Model | None
    name: str | None = None
    stop: Callable[[], bool] = lambda: False
    losses: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put the settings into the record."""
        self.record.config = to_mapping(self.config)
        self.record.results = {INITIAL: self._initial_weights()}
        self.record.device = {"device": str(self.device.device), "reason": self.device.reason}

    def check(self) -> None:
        """Compare every source's coordinates with its micrographs, and say what came out.

        Raises
        ------
        InputError
            If coordinates surely do not fit.
        """
        with self.record.timed("check"):
            for source in self.config.sources:
                report = check_source(source, self.data, watch=self.console.patient_progress)
                if report is not None:
                    self.console.say(f"Check: {report.message()}")

    def train(self, record_path: Path, *, resume: bool) -> None:
        """Train; write the record, and beside the weights every step's loss."""
        losses = self.out / LOSSES_FILE
        steps = self.config.optimiser.steps
        with self.record.timed("train"), self.console.progress("Training", steps, "steps") as advance:

            def report(progress: Progress) -> None:
                if not self.losses:
                    keep_losses_before(losses, progress.step)
                add_loss(losses, progress.step, progress.loss)
                self.losses.append((progress.step, progress.loss))
                advance(f"step {progress.step}, loss {progress.loss:.3f}")

            task = TrainingTask(
                data=self.data,
                out=self.out,
                initial=self.initial,
                resume=resume,
                name=self.name,
                about=self._about(),
            )
            card = train_model(self.config, task, self.device, report=report, stop=self.stop)
        self.record.weights = {"name": card.name, "sha256": card.sha256}
        self.record.write(record_path)

    def _about(self) -> dict[str, Any]:
        return {
            "command": "cryopick " + " ".join(self.record.argv),
            "version": cryopick_cli.__version__,
            "device": str(self.device.device),
            INITIAL: self._initial_weights(),
        }

    def _initial_weights(self) -> dict[str, str] | None:
        card = None if self.initial is None else self.initial.card
        return None if card is None else {"name": card.name, "sha256": card.sha256}


def load_initial(name: str, device: DeviceChoice) -> Model | None:
    """Load the weights to start from; the word ``none`` stands for random ones."""
    if name == RANDOM_START:
        return None
    try:
        return load_model(name, device)
    except WeightsError as error:
        raise WeightsError(str(error).replace("--weights", "--init", 1)) from error

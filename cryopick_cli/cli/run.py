"""A picking run as the commands see it: record, calibration, picks, tables, and the words about them.

`cryopick pick` and `cryopick relion` share it. It decides nothing about picks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cryopick_cli.cli.console import Console
from cryopick_cli.cli.record import RunRecord, checksum_in_words, read_record, table_in
from cryopick_cli.errors import ConfigError, OutputError
from cryopick_cli.formats.inputs import MicrographSource
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.model.weights import OperatingPoint
from cryopick_cli.picking.batch import Batch
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.curve_table import write_curve_table
from cryopick_cli.picking.earlier_run import RECORD_FILE
from cryopick_cli.picking.notes import Row
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.result import Result
from cryopick_cli.picking.run_folder import RunFolder, picture_of
from cryopick_cli.picking.threshold import Evidence
from cryopick_cli.report.overlay import draw_picks
from cryopick_cli.settings import differences, from_mapping, to_mapping
from cryopick_cli.units import Length, to_angstrom

# Pictures that may wait to be drawn while picking goes on.
_DRAWN_BEHIND = 2
# Fields of ConsistencyConfig: what was done before they were there.
_BEFORE_IT_WAS_A_SETTING = {"least_factor": 0.0}
# What to do where a run cannot be gone on with.
_REPLACE = "replace what is there with --overwrite"


@dataclass
class PickingRun:
    """One run over a list of micrographs, step by step.

    Attributes
    ----------
    console, record
        Where words and the run record go.
    folder, batch, sources
        The output folder, the network with its settings, and the micrographs.
    resume : bool
        Whether micrographs that an earlier run has picked into the folder are left as they are.
    pictures : int
        How many micrographs are drawn with their picks.
    stop : callable
        Asked before each micrograph whether to end here; what is done is kept.
    """

    console: Console
    record: RunRecord
    folder: RunFolder
    batch: Batch
    sources: Sequence[MicrographSource]
    resume: bool
    pictures: int
    stop: Callable[[], bool] = lambda: False

    def describe(self, weights: Path) -> None:
        """Put the settings into the record; a resumed run must have those of the run before it."""
        model = self.batch.model
        self.record.config = {
            "pick": to_mapping(self.batch.config),
            "files": to_mapping(self.folder.config),
            "pixel_size": self.batch.pixel_size,
        }
        self.record.weights = {
            "name": model.card.name,
            "sha256": model.card.sha256,
            "folder": str(weights),
            "operating_point": to_mapping(model.card.operating_point),
        }
        self.record.device = {
            "device": str(model.device.device),
            "dtype": str(model.device.dtype).removeprefix("torch."),
            "reason": model.device.reason,
        }
        path = self.folder.folder / RECORD_FILE
        if self.resume and path.exists():
            self._go_on_from(read_record(path, _REPLACE), path)

    def _go_on_from(self, earlier: dict[str, Any], path: Path) -> None:
        """Take over what an earlier run has learnt, if it was told the same."""
        if "filter" in table_in(earlier, "config"):
            raise OutputError(
                f"{path}: cryopick filter has cut this run anew, and what is picked now would not be cut "
                "alike (found its record, expected that of a run as it was picked); pick what is new into "
                "another folder and filter that too, or pick everything again with --overwrite"
            )
        try:
            changed = self._differences_from(earlier)
            learnt = {
                kind: from_mapping(Calibration, values, f"calibrations.{kind}")
                for kind, values in table_in(earlier, "calibrations").items()
            }
        except ConfigError as error:
            raise OutputError(
                f"{path}: not a record that this version of cryopick understands ({error}; it was made by "
                f"version {earlier.get('version', 'unknown')}); go on with that version, put back the file "
                f"where it was changed since, or {_REPLACE}"
            ) from error
        if changed:
            raise OutputError(
                f"{path}: made with other settings than those of this run: {', '.join(changed)}; repeat the "
                f"options of then, or {_REPLACE}"
            )
        self.batch.calibrations = learnt

    def _differences_from(self, earlier: dict[str, Any]) -> list[str]:
        """Name what an earlier run was told otherwise; settings that did not exist then had their default.

        But for those of :data:`_BEFORE_IT_WAS_A_SETTING`.
        """
        told = table_in(earlier, "config")
        pick = from_mapping(PickConfig, _as_it_was(table_in(told, "pick")), "config.pick")
        files = from_mapping(OutputConfig, table_in(told, "files"), "config.files")
        weights, point = table_in(earlier, "weights"), self.batch.model.card.operating_point
        model = checksum_in_words(weights.get("sha256"))
        noted = table_in(weights, "operating_point")
        unknown, where = not noted and pick.threshold is None, "weights.operating_point"
        return [
            *differences(pick, self.batch.config, "pick", whole=(Length,)),
            *differences(files, self.folder.config, "files"),
            *differences(told.get("pixel_size"), self.batch.pixel_size, "pixel_size"),
            *differences(model, checksum_in_words(self.batch.model.card.sha256), "weights"),
            *(["the rule for the threshold (found that of an earlier version)"] if unknown else []),
            *differences(from_mapping(OperatingPoint, to_mapping(point) | noted, where), point, where),
        ]

    def calibrate(self) -> None:
        """Learn diameter and threshold, and write the record, so that an interrupted run can be resumed."""
        with self.record.timed("calibrate"):
            self.console.say(f"Calibrating on up to {self.batch.config.calibration_micrographs} micrographs")
            self.batch.calibrate(self.sources, self.console.patient_progress)
        for calibration in self.batch.calibrations.values():
            self.console.say(_describe_calibration(calibration, self.batch))
        self._write_record()
        self.batch.report = self._record_late

    def _record_late(self, kind: str) -> None:
        """Record what was learnt of a kind met only while picking, so that a resumed run uses it again."""
        self.console.say(_describe_calibration(self.batch.calibrations[kind], self.batch))
        self._write_record()

    def pick(self) -> list[Row]:
        """Pick what is not done yet; give a row a micrograph, in the order of the input.

        Micrographs that `stop` kept from being picked have no row.
        """
        rows = {s.relative: row for s in self.sources if self.resume and (row := self.folder.row_of(s))}
        left = [source for source in self.sources if source.relative not in rows]
        if rows:
            self.console.say(f"{len(rows)} micrographs are done already")
        drawn = {s.relative for s in left[:: max(1, -(-len(left) // max(1, self.pictures)))]}
        drawings: deque[Future[None]] = deque()
        with (
            self.record.timed("pick"),
            ThreadPoolExecutor(1, thread_name_prefix="draw") as painter,
            self.console.progress("Picking", len(left)) as advance,
        ):
            for result in () if self.stop() else self.batch.pick(left):
                rows[result.source.relative] = self.folder.write(result)
                if result.error:
                    self.console.fail(result.error)
                elif self.pictures and result.source.relative in drawn:
                    if len(drawings) == _DRAWN_BEHIND:
                        drawings.popleft().result()
                    drawings.append(painter.submit(self._draw, result))
                advance(result.source.relative)
                if self.stop():
                    break
            for drawing in drawings:
                drawing.result()
        return [rows[source.relative] for source in self.sources if source.relative in rows]

    def _draw(self, result: Result) -> None:
        if result.picks is not None:
            path = picture_of(self.folder.folder, result.source.relative)
            draw_picks(path, read_micrograph(result.source.path).array, result.picks)

    def conclude(self, rows: list[Row]) -> pd.DataFrame:
        """Write the tables and the record, tell what came out, and give every candidate."""
        candidates = self.folder.finish(rows)
        write_curve_table(self.folder.folder, self.batch.calibrations)
        doubted = [row.name for row in rows if row.mask_doubted]
        self._write_record(masks_not_used=doubted)
        self.console.print_facts(_summary(rows, candidates, self.batch, self.folder))
        failed = sum(not row.done for row in rows)
        if failed:
            self.console.warn(f"{failed} of {len(rows)} micrographs failed; see summary.csv for the reasons")
        if doubted:
            self.console.warn(
                f"{len(doubted)} of {len(rows)} masks of junk hold most of what looks like particles and are "
                "not used; run.json names the micrographs under masks_not_used"
            )
        return candidates

    def _write_record(self, **results: Any) -> None:
        calibrations = {kind: to_mapping(value) for kind, value in self.batch.calibrations.items()}
        self.record.results = {"calibrations": calibrations, **results}
        self.record.write_into(self.folder)


def _describe_calibration(calibration: Calibration, batch: Batch) -> str:
    config = batch.config
    if calibration.prior is None:
        words = "Too few candidates to tell a particle diameter; sizes are not compared"
        return words + _emptiness_in_words(calibration, batch)
    prior, unit = calibration.prior, calibration.unit
    words = f"Diameter {prior.diameter:.1f} {unit}, from {len(calibration.micrographs)} micrographs"
    if prior.second is not None:
        first, second = calibration.counts
        words += f"; a second size, {prior.second:.1f} {unit}, stands out ({first} and {second} picks there)"
    if calibration.scale_space_diameter is not None:
        words += f"; the mean pick looks {calibration.scale_space_diameter:.1f} {unit} across"
        if calibration.sizes_differ(config.cross_check):
            words += ", which is far from it: look at the pictures, and give the --diameter that fits"
    if prior.spacing < config.consistency.spacing:
        words += f"; particles overlap, so picks may be {prior.spacing:g} diameters apart"
    words += f"; threshold {calibration.threshold:.2f}"
    if calibration.typical_score is not None:
        words += ", less in fainter micrographs and more in clearer ones, as told at the end"
    if not calibration.seems_empty and calibration.false_discovery_rate is not None:
        words += f"; false picks by decoys {calibration.false_discovery_rate:.0%}"
    return words + _emptiness_in_words(calibration, batch)


def _emptiness_in_words(calibration: Calibration, batch: Batch) -> str:
    """Say that there seems to be no particle, and what moves that; nothing where there are some."""
    if not calibration.seems_empty:
        return ""
    words = "; little scores well at any one size: no particle, or none clearly seen"
    words += _evidence_in_words(calibration.evidence, batch.model.card.operating_point)
    if batch.config.threshold is None and batch.config.target != "f1":
        words += f", where --target {batch.config.target} moves nothing; --threshold 0.3 picks more"
    return words


def _evidence_in_words(evidence: Evidence | None, point: OperatingPoint) -> str:
    """Tell how far a data set that seems empty is from one that does not."""
    if evidence is None:
        return ""
    return (
        f" (typical score {evidence.typical_score:.2f} and evidence {evidence.strength:.2f}, where particles "
        f"have {point.least_typical:.2f} or {point.least_evidence:.2f})"
    )


def _summary(
    rows: list[Row], candidates: pd.DataFrame, batch: Batch, folder: RunFolder
) -> list[tuple[str, str]]:
    done = [row for row in rows if row.done]
    accepted = candidates[candidates["accepted"]]
    seconds = sum(row.seconds for row in done) / max(1, len(done))
    device = batch.model.device
    return [
        ("Micrographs", f"{len(done)} of {len(rows)}"),
        ("Picks", f"{len(accepted)} ({len(accepted) / max(1, len(done)):.0f} a micrograph)"),
        ("Median diameter", _diameter_in_words(accepted)),
        ("Suggested box", _boxes_in_words(done)),
        ("Threshold", _thresholds_in_words(batch, candidates)),
        ("Time", f"{seconds:.2f} s a micrograph"),
        ("Device", f"{device.device} ({device.reason})"),
        ("Output", str(folder.folder)),
    ]


def _thresholds_in_words(batch: Batch, candidates: pd.DataFrame) -> str:
    """Tell the data set's threshold, and between which those of its micrographs lie."""
    learnt = ", ".join(f"{c.threshold:.2f}" for c in batch.calibrations.values()) or "none"
    used = candidates["threshold"].dropna() if "threshold" in candidates else candidates["score"].iloc[:0]
    if used.empty or f"{used.min():.2f}" == f"{used.max():.2f}" == learnt:
        return learnt
    return f"{learnt}; in single micrographs {used.min():.2f} to {used.max():.2f}"


def _diameter_in_words(accepted: pd.DataFrame) -> str:
    if accepted.empty:
        return "no picks"
    in_px = f"{accepted['diameter_px'].median():.1f} px"
    if accepted["diameter_A"].notna().any():
        return f"{in_px}, {accepted['diameter_A'].median():.1f} Å"
    return f"{in_px} (the pixel size is unknown, so all lengths are in pixels; --pixel-size gives it)"


def _boxes_in_words(done: list[Row]) -> str:
    boxes = {row.box_size_px: row.pixel_size for row in done if row.box_size_px is not None}
    in_words = [
        f"{size} px" if pixel_size is None else f"{size} px, {to_angstrom(size, pixel_size):.0f} Å"
        for size, pixel_size in sorted(boxes.items())
    ]
    return " or ".join(in_words) or "unknown"


def _as_it_was(pick: dict[str, Any]) -> dict[str, Any]:
    """Fill in what earlier versions did where they had no such setting, and the default is another."""
    return {**pick, "consistency": {**_BEFORE_IT_WAS_A_SETTING, **table_in(pick, "consistency")}}

"""Many micrographs to picks: prepare ahead, calibrate each kind, pick, and let no failure end the run.

Yields one :class:`Result` a micrograph in the order of the sources. Where results are written is
``run_folder.py``'s business.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice

import numpy as np

from cryopick_cli.errors import CryopickError
from cryopick_cli.formats.inputs import MicrographSource
from cryopick_cli.formats.micrograph import Micrograph, read_micrograph, read_micrograph_header
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.ahead import ahead
from cryopick_cli.picking.calibrate import Calibration, calibrate, count_looks
from cryopick_cli.picking.choice import ranked
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.pick import Prepared, examine, pick_micrograph, prepare
from cryopick_cli.picking.result import Result
from cryopick_cli.progress import Advance, Watch, unheard, unwatched

log = logging.getLogger(__name__)

# A micrograph smaller than half of the network's coarsest cell shows no particle in full.
_SMALLEST_SIDE_PX = 32


@dataclass
class Batch:
    """A run over many micrographs with one model.

    Attributes
    ----------
    model, config
        The network and all decisions after it.
    pixel_size : float, optional
        Å per pixel in place of what STAR file or header say.
    calibrations : dict
        By kind of micrograph (see :func:`kind_of`); filled by :meth:`calibrate`, or from an earlier run.
    report : callable
        Told the name of each kind as soon as its calibration is there.
    """

    model: Model
    config: PickConfig
    pixel_size: float | None = None
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    report: Callable[[str], None] = lambda kind: None
    _sources: Sequence[MicrographSource] = field(default=(), init=False)

    def calibrate(
        self, sources: Sequence[MicrographSource], watch: Watch = unwatched
    ) -> dict[str, Calibration]:
        """Learn what picking needs of every kind of micrograph that has no calibration yet."""
        self._sources = sources
        with watch("Reading headers", len(sources), "micrographs") as advance:
            groups = group_by_kind(sources, self.pixel_size, self.config, advance)
        for kind, members in groups.items():
            if kind not in self.calibrations:
                self._calibrate_kind(kind, members, watch)
        return self.calibrations

    def _calibrate_kind(self, kind: str, members: Mapping[str, MicrographSource], watch: Watch) -> None:
        wanted = self._sample_size(members)
        with watch("Reading a sample", wanted, "micrographs") as advance:
            sample = self._read_sample(members, wanted, advance)
        # How many looks it takes is known only now, as some files cannot be read.
        if sample and self._can_be_measured(sample[0][1]):
            looks = count_looks([name for name, _ in sample], self.config)
            with watch("Calibrating", looks, "steps") as advance:
                self._learn(kind, sample, advance)

    def _learn(self, kind: str, sample: Sequence[tuple[str, Micrograph]], advance: Advance = unheard) -> None:
        names = [name for name, _ in sample]
        micrographs = [micrograph for _, micrograph in sample]
        self.calibrations[kind] = calibrate(self.model, micrographs, names, self.config, advance)
        self.report(kind)

    def pick(self, sources: Sequence[MicrographSource]) -> Iterator[Result]:
        """Pick each micrograph; a micrograph that fails gives a result with the reason."""
        self._sources = self._sources or sources
        for source, ready in zip(sources, ahead(self._make_ready, sources, count_pixels), strict=True):
            started = time.perf_counter()
            try:
                micrograph, prepared, before = ready.result()
                started = time.perf_counter() - before
                result = self._pick_one(source, micrograph, prepared)
            except CryopickError as error:
                message = str(error)
                named = message if str(source.path) in message else f"{source.path}: {message}"
                result = Result(source, 0.0, error=named)
            except Exception as error:
                log.debug("%s", source.path, exc_info=True)
                result = Result(source, 0.0, error=f"{source.path}: {type(error).__name__}: {error}")
            yield replace(result, seconds=time.perf_counter() - started)

    def _make_ready(self, source: MicrographSource) -> tuple[Micrograph, Prepared | None, float]:
        """Read a micrograph; prepare it where its kind is calibrated already, and tell how long that took."""
        micrograph = read_source(source, self.pixel_size)
        started = time.perf_counter()
        self.config.check_unit(micrograph.pixel_size)
        known = self.calibrations.get(self._kind_of(micrograph))
        if known is None:
            return micrograph, None, 0.0
        prepared = prepare(self.model, micrograph, known, self.config)
        return micrograph, prepared, time.perf_counter() - started

    def _kind_of(self, micrograph: Micrograph) -> str:
        return kind_of(micrograph.array.shape, micrograph.pixel_size, self.config)

    def _pick_one(
        self, source: MicrographSource, micrograph: Micrograph, prepared: Prepared | None
    ) -> Result:
        calibration = self._calibration_of(self._kind_of(micrograph), source, micrograph)
        prepared = prepared or prepare(self.model, micrograph, calibration, self.config)
        sight = examine(self.model, prepared, self.config)
        picks = pick_micrograph(self.model, micrograph, calibration, self.config, sight)
        return Result(
            source,
            0.0,
            picks=picks,
            shape=(micrograph.array.shape[0], micrograph.array.shape[1]),
            pixel_size=micrograph.pixel_size,
            box_size_px=calibration.box_size_px(micrograph.pixel_size),
            junk=sight.mask,
        )

    def _calibration_of(self, kind: str, source: MicrographSource, micrograph: Micrograph) -> Calibration:
        """Give the calibration of a kind, also of one that could not be read when the samples were drawn."""
        if kind not in self.calibrations:
            self.calibrate(self._sources)
        if kind not in self.calibrations:  # its file tells another kind now than a moment ago
            self._learn(kind, [(source.relative, micrograph)])
        return self.calibrations[kind]

    def _can_be_measured(self, micrograph: Micrograph) -> bool:
        """Tell whether lengths given in Å mean anything here; where not, `pick` reports each micrograph."""
        try:
            self.config.check_unit(micrograph.pixel_size)
        except CryopickError:
            return False
        return True

    def _sample_size(self, members: Mapping[str, MicrographSource]) -> int:
        """Count the micrographs to calibrate on: fewer of very large ones, as all are held at once."""
        first = ranked(members, self.config.seed)[: self.config.calibration_micrographs]
        together = accumulate(count_pixels(members[name]) for name in first)
        return max(1, sum(pixels <= self.config.calibration_pixels for pixels in together))

    def _read_sample(
        self, members: Mapping[str, MicrographSource], wanted: int, advance: Advance
    ) -> list[tuple[str, Micrograph]]:
        """Read the micrographs to calibrate on, chosen by a hash of name and seed; give them by name.

        In place of one that cannot be read, which is left to `pick` to report, the next by hash is taken.
        """
        sample: dict[str, Micrograph] = {}
        failed: list[str] = []
        left = iter(ranked(members, self.config.seed))
        while names := list(islice(left, wanted - len(sample))):
            given = [members[name] for name in names]
            readings = ahead(lambda source: read_source(source, self.pixel_size), given, count_pixels)
            for name, reading in zip(names, readings, strict=True):
                try:
                    sample[name] = reading.result()
                except (CryopickError, OSError, ValueError, MemoryError) as error:
                    log.debug("%s: %s", name, error)
                    failed.append(name)
                else:
                    advance(name)
        for name in failed[: wanted - len(sample)]:  # those in whose place no other could be taken
            advance(name)
        return sorted(sample.items())


def kind_of(shape: tuple[int, ...], pixel_size: float | None, config: PickConfig) -> str:
    """Name the micrographs that share a calibration: all with a pixel size, else all of one shape.

    A diameter given in pixels is another one in Å for each pixel size, so these are then kept apart.
    """
    if pixel_size is None:
        return f"{shape[1]}x{shape[0]} px"
    in_px = config.diameter is not None and config.diameter.unit == "px"
    return f"{pixel_size:g} Å/px" if in_px else "Å"


def group_by_kind(
    sources: Sequence[MicrographSource],
    pixel_size: float | None,
    config: PickConfig,
    advance: Advance = unheard,
) -> dict[str, dict[str, MicrographSource]]:
    """Group readable sources by :func:`kind_of`, by name; reads headers only where it must."""
    groups: dict[str, dict[str, MicrographSource]] = {}
    for source in sources:
        advance(source.relative)
        known = pixel_size or source.pixel_size
        if known is not None:
            groups.setdefault(kind_of((), known, config), {})[source.relative] = source
            continue
        try:
            header = read_micrograph_header(source.path)
        except CryopickError:
            continue
        groups.setdefault(kind_of(header.shape, header.pixel_size, config), {})[source.relative] = source
    return groups


def count_pixels(source: MicrographSource) -> int:
    """Count the pixels of a source's file by its header; none where it cannot be read."""
    try:
        rows, columns = source.shape or read_micrograph_header(source.path).shape
    except CryopickError:
        return 0
    return rows * columns


def read_source(source: MicrographSource, pixel_size: float | None) -> Micrograph:
    """Read a source's file; the pixel size is the given one, else the STAR file's, else the header's.

    Raises
    ------
    CryopickError
        If the file is missing, damaged, or holds nothing that could be picked.
    """
    micrograph = read_micrograph(source.path)
    known = pixel_size or source.pixel_size or micrograph.pixel_size
    shape = micrograph.array.shape
    if min(shape) < _SMALLEST_SIDE_PX:
        raise CryopickError(
            f"{source.path}: too small to pick (found {shape[1]}x{shape[0]} px, expected at least "
            f"{_SMALLEST_SIDE_PX} px each way); give the whole micrograph"
        )
    if not np.isfinite(micrograph.array).any():
        raise CryopickError(
            f"{source.path}: no finite grey value (found NaN only); remove it or make it again"
        )
    return replace(micrograph, pixel_size=known)

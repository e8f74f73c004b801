"""The run record `run.json`: which version did what, with which settings, on which device, in what time.

Written beside every result, so that a result can be explained and repeated later; read by commands that go on
from it.
"""

from __future__ import annotations

import json
import platform
import reprlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from cryopick_cli import __version__
from cryopick_cli.cli.main import ARGV
from cryopick_cli.errors import ConfigError, CryopickError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.registry import FORMATS
from cryopick_cli.picking.earlier_run import RECORD_FILE, REPLACING
from cryopick_cli.picking.run_folder import RunFolder

# Those whose version can change a result.
LIBRARIES = ("numpy", "scipy", "torch", "torchvision", "mrcfile", "tifffile", "Pillow")

# What commands read of a record, by the names that lead there.
_TABLES = (("config", "pick"), ("config", "files"), ("config", "filter"), ("weights",), ("calibrations",))


@dataclass(kw_only=True)
class RunRecord:
    """What is known of a run so far.

    Attributes
    ----------
    command, argv
        Name of the command and the arguments of ``cryopick`` as typed.
    config
        Every setting as resolved, of plain values.
    weights
        Name and sha256 of the weights, where a network took part.
    device
        Device, and why it was chosen, where a network took part.
    timings
        Seconds by step, in order of first use.
    results
        What else the command found out, by its own names.
    """

    command: str
    argv: list[str]
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] | None = None
    device: Mapping[str, Any] | None = None
    timings: dict[str, float] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @classmethod
    def start(cls) -> RunRecord:
        """Begin the record of the command that is running now."""
        context = click.get_current_context()
        return cls(command=context.info_name or "", argv=list(context.meta.get(ARGV, ())))

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds that the block takes to ``timings[step]``, also where it ends in an error."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - before

    def as_mapping(self) -> dict[str, Any]:
        """Give the record as plain values in the order in which they are written."""
        return {
            "program": "cryopick",
            "version": __version__,
            "command": self.command,
            "argv": self.argv,
            "started": self.started.isoformat(timespec="seconds"),
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "libraries": {name: library_version(name) for name in LIBRARIES},
            "config": self.config,
            "weights": self.weights,
            "device": self.device,
            **self.results,
            "timings_s": {step: round(seconds, 4) for step, seconds in self.timings.items()},
        }

    def write(self, path: Path) -> None:
        """Write the record as JSON, whole or not at all, in place of an earlier one.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        text = json.dumps(self.as_mapping(), indent=2, ensure_ascii=False, allow_nan=False, default=str)
        write_text(path, f"{text}\n", overwrite=True)

    def write_into(self, folder: RunFolder) -> None:
        """Write the record into the folder of its run, and remove the run there that this one replaces.

        The record comes first, marked as long as anything of the other run is left: whenever this is
        interrupted, the folder tells which run it holds.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        path = folder.folder / RECORD_FILE
        if folder.marks:
            replace(self, results={**self.results, **folder.marks}).write(path)
            folder.remove_replaced()
        self.write(path)


def read_record(path: Path, remedy: str) -> dict[str, Any]:
    """Read the record that an earlier command left.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do where it is damaged.

    Raises
    ------
    CryopickError
        If it is no record: no JSON, or something else in the place of a table or a list.
    """
    with damaged(path, remedy):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ConfigError(f"found {reprlib.repr(record)}, expected an object")
        _check_replacing(record)
        for names in _TABLES:
            table_in(record, *names)
            if isinstance(record.get("run"), dict):  # a cut holds the record of the run that it cuts
                table_in(record, "run", *names)
    return record


@contextmanager
def damaged(path: Path, remedy: str) -> Iterator[None]:
    """Name the file of the record, and what to do, where the block finds it damaged.

    Raises
    ------
    CryopickError
        In place of what the block raises.
    """
    try:
        yield
    except (OSError, ValueError, RecursionError, ConfigError) as error:
        raise CryopickError(f"{path}: not a run record ({error}); {remedy}") from error


def _check_replacing(record: Mapping[str, Any]) -> None:
    found = record.get(REPLACING, [*FORMATS])
    if not isinstance(found, list) or not found or any(name not in FORMATS for name in found):
        expected = ", ".join(FORMATS)
        raise ConfigError(f"{REPLACING}: found {reprlib.repr(found)}, expected some of {expected}")


def table_in(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Give the table to which names lead from table to table; an empty one where there is none.

    Raises
    ------
    ConfigError
        If there is something else.
    """
    found: Any = record
    for depth, name in enumerate(names, start=1):
        found = found.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            where = ".".join(names[:depth])
            raise ConfigError(f"{where}: found {reprlib.repr(found)}, expected a table")
    return dict(found)


def checksum_in_words(sha256: object) -> str:
    """Shorten a checksum to what tells it from others at a glance."""
    return "none" if sha256 is None else f"sha256 {str(sha256)[:12]}"


def library_version(name: str) -> str:
    """Give the version of an installed package without importing it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

"""What a person sees: messages and progress on stderr, tables on stdout.

Data goes to stdout, words go to stderr. Where stderr is no terminal, progress becomes plain lines that a
log file can hold. The library reports through `logging` and `warnings`; this module is the only one that
shows either.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from cryopick_cli.progress import Advance

LIBRARY = "cryopick_cli"
# Plain progress: at most a line in this many seconds, so that a log of 20,000 micrographs stays readable.
SECONDS_BETWEEN_LINES = 1.0
# What is done sooner than this needs no line of its own.
PATIENCE_S = 2.0
# Tables are as wide as they need to be: a file has no width, and a terminal wraps a long line more readably
# than a table that folds every cell.
WIDEST_TABLE = 10_000


class Console:
    """Speaks to the person at the terminal.

    Parameters
    ----------
    verbosity
        -1 warnings and errors only, 0 the usual words, 1 and more what helps to find a fault.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self._words = RichConsole(file=sys.stderr, highlight=False, soft_wrap=True)
        self._data = RichConsole(file=sys.stdout, highlight=False, width=WIDEST_TABLE)

    def say(self, message: str) -> None:
        """Write a line to stderr unless asked to be quiet."""
        if self.verbosity >= 0:
            self._words.print(escape(message))

    def warn(self, message: str) -> None:
        """Write a warning to stderr, however quiet."""
        self._words.print(f"[yellow]Warning:[/] {escape(message)}")

    def fail(self, message: str) -> None:
        """Write to stderr that something failed while the run goes on."""
        self._words.print(f"[red]Failed:[/] {escape(message)}")

    def print_table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table to stdout: first column to the left, the others to the right."""
        terminal = self._data.is_terminal
        table = Table(box=SIMPLE_HEAD if terminal else None, pad_edge=False, show_edge=False)
        for index, header in enumerate(headers):
            table.add_column(escape(header), justify="left" if index == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._print_data(table)

    def print_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Write names and values to stdout, one a line, the values aligned."""
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold" if self._data.is_terminal else "", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in facts:
            table.add_row(escape(name), escape(value))
        self._print_data(table)

    @contextmanager
    def progress(
        self, what: str, total: int, unit: str = "micrographs", *, patience: float = 0.0
    ) -> Iterator[Advance]:
        """Show how far a loop is and how long it will take.

        The block gets a function to call once for each item done, with the item's name. Without a terminal
        nothing is shown of what is done in less than ``patience`` seconds.
        """
        if self.verbosity < 0:
            yield lambda _: None
        elif self._words.is_terminal:
            with self._bar(what, total, unit) as advance:
                yield advance
        else:
            yield _PlainProgress(what, total, unit, self.say, patience)

    def patient_progress(self, what: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Show how far a loop is that mostly is done at once, but takes long now and then."""
        return self.progress(what, total, unit, patience=PATIENCE_S)

    @contextmanager
    def _bar(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[item]}", style="dim"),
        )
        with Progress(*columns, console=self._words, transient=True) as bar:
            task = bar.add_task(what, total=total, item="")
            yield lambda item: bar.update(task, advance=1, item=escape(item))

    def _print_data(self, table: Table) -> None:
        with self._data.capture() as captured:
            self._data.print(table)
        text = "\n".join(line.rstrip() for line in captured.get().splitlines())
        self._data.file.write(f"{text}\n")
        self._data.file.flush()


class _PlainProgress:
    """Progress as lines of a log: how many, of how many, how long still, which one."""

    def __init__(
        self, what: str, total: int, unit: str, say: Callable[[str], None], patience: float = 0.0
    ) -> None:
        self._what, self._total, self._unit, self._say = what, total, unit, say
        self._patience = patience
        if total and not patience:  # the first item alone can take a minute
            say(f"{what}: {total} {unit}")
        self._done = 0
        self._started = time.monotonic()
        self._last_line = -SECONDS_BETWEEN_LINES

    def __call__(self, item: str) -> None:
        self._done += 1
        elapsed = time.monotonic() - self._started
        if elapsed < self._patience:
            return
        if self._done < self._total and elapsed - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = elapsed
        left = elapsed / self._done * max(self._total - self._done, 0)
        finished = self._done >= self._total
        when = f"done in {format_seconds(elapsed)}" if finished else f"{format_seconds(left)} left"
        self._say(f"{self._what}: {self._done}/{self._total} {self._unit}, {when}, {item}")


def format_seconds(seconds: float) -> str:
    """Write a duration as a person would: ``0.4 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def open_console(verbosity: int = 0) -> Iterator[Console]:
    """Show the library's log and warnings on stderr for as long as the block runs."""
    console = Console(verbosity)
    logger = logging.getLogger(LIBRARY)
    handler = _LogHandler(console)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbosity > 0 else logging.INFO if verbosity == 0 else logging.WARNING)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            _show_warnings_once(console)
            yield console
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _LogHandler(logging.Handler):
    """Hands the log records to the console, each text once, as a file is read more than once in a run."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message in self._shown:
            return
        self._shown.add(message)
        if record.levelno >= logging.WARNING:
            self._console.warn(message)
        else:
            self._console.say(message)


def _show_warnings_once(console: Console) -> None:
    """Show each different warning text once, without the line of code it came from."""
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = str(message)
        if text not in shown:
            shown.add(text)
            console.warn(text)

    replaced: Any = show
    warnings.showwarning = replaced

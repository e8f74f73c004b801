"""The syntax of STAR files: named blocks of text values. What programs mean by them is said elsewhere.

Values stay text here, so a micrograph named ``0012`` keeps its zeros; a caller asks for numbers column by
column. After the self-defining text archive (Hall 1991, J. Chem. Inf. Comput. Sci. 31, 326) in the subset
that cryo-EM programs write: no save frames, no text over several lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.errors import FormatError

# Only ASCII blanks part values: a name may hold any other character.
_BLANKS = " \t\r\f\v"
_TOKEN = re.compile(r"\"([^\"]*)\"(?=\s|$)|'([^']*)'(?=\s|$)|(\S+)", re.ASCII)
_NOT_GIVEN = {"", "<NA>", "NA", "None", "nan", "NaN", "."}


@dataclass
class StarBlock:
    """One ``data_`` block: label to values, in file order; a block that is no loop has one value a label.

    Attributes
    ----------
    name : str
        Without ``data_``; empty in RELION 2 and 3.0 files.
    columns : dict of str to list of str
        Labels without the leading underscore.
    path : Path
        The file, for messages.
    """

    name: str
    path: Path
    columns: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the rows."""
        return max((len(values) for values in self.columns.values()), default=0)

    def __contains__(self, label: str) -> bool:
        """Tell whether the block has a column of this label."""
        return label in self.columns

    def texts(self, label: str) -> list[str]:
        """Give a column's values.

        Raises
        ------
        FormatError
            If there is no such column.
        """
        if label not in self.columns:
            raise FormatError(
                f"{self.path}: no column _{label} in data_{self.name} "
                f"(found {', '.join('_' + known for known in self.columns) or 'no columns'})"
            )
        return self.columns[label]

    def floats(self, label: str) -> NDArray[np.float64]:
        """Give a column as float64; ``<NA>``, ``None`` and their like become NaN.

        Raises
        ------
        FormatError
            If there is no such column or a value is no number.
        """
        texts = self.texts(label)
        try:
            return np.array(texts, dtype=np.float64)
        except ValueError:
            return np.array(
                [self._float(text, label, row) for row, text in enumerate(texts)], dtype=np.float64
            )

    def _float(self, text: str, label: str, row: int) -> float:
        if text in _NOT_GIVEN:
            return np.nan
        try:
            return float(text)
        except ValueError:
            raise FormatError(
                f"{self.path}: row {row + 1} of _{label} in data_{self.name} is no number (found {text!r})"
            ) from None


def read_star_blocks(path: str | Path) -> list[StarBlock]:
    """Read every block of a STAR file, in order; blocks of equal names are kept apart.

    Raises
    ------
    FormatError
        If the file cannot be read as STAR; the message names the line.
    """
    path = Path(path)
    blocks = _Parser(path).parse(read_text(path))
    if not blocks:
        raise FormatError(f"{path}: is no STAR file (found no line starting with data_); check what wrote it")
    return blocks


def read_text(path: Path) -> str:
    """Read a text file; bytes that are not UTF-8 survive a round trip, zero bytes do not pass.

    Raises
    ------
    FormatError
        If the file is missing or binary.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FormatError(
            f"{path}: cannot be opened ({error.strerror or error}); check its name and rights"
        ) from error
    if b"\0" in raw[:4096]:
        raise FormatError(f"{path}: is no text file (found zero bytes); check what wrote it")
    return raw.decode("utf-8-sig", errors="surrogateescape")


class _Parser:
    """Line by line: a block's name, labels, then rows as wide as there are labels."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks: list[StarBlock] = []
        self.in_loop = False
        self.rows: list[list[str]] = []

    def parse(self, text: str) -> list[StarBlock]:
        for number, line in enumerate(text.split("\n"), start=1):
            stripped = line.strip(_BLANKS)
            if stripped and not stripped.startswith("#"):
                self._take(stripped, number)
        self._end_loop()
        return self.blocks

    def _take(self, line: str, number: int) -> None:
        tokens = _tokens(line)
        first = tokens[0]
        if first.startswith("data_") and len(tokens) == 1:
            self._end_loop()
            self.blocks.append(StarBlock(first[len("data_") :], self.path))
        elif not self.blocks:
            raise FormatError(
                f"{self.path}: line {number} stands before any data_ line (found {line[:40]!r}); "
                "is it a STAR file?"
            )
        elif first == "loop_":
            self._end_loop()
            self.in_loop = True
        elif first.startswith("_") and not self.rows:
            self._take_label(tokens, number)
        else:
            self._take_row(tokens, number)

    def _take_label(self, tokens: list[str], number: int) -> None:
        label = tokens[0][1:]
        columns = self.blocks[-1].columns
        if label in columns:
            raise FormatError(
                f"{self.path}: line {number} repeats the column _{label}; remove one of the two"
            )
        values = [token for token in tokens[1:] if not token.startswith("#")]
        if self.in_loop:
            columns[label] = []
        elif len(values) == 1:
            columns[label] = values
        else:
            raise FormatError(
                f"{self.path}: line {number}: found {len(values)} values of _{label}, expected 1"
            )

    def _take_row(self, tokens: list[str], number: int) -> None:
        width = len(self.blocks[-1].columns)
        if not self.in_loop or len(tokens) != width:
            raise FormatError(
                f"{self.path}: line {number}: found {len(tokens)} values, expected "
                f"{width if self.in_loop else 'a label'}; "
                "the file may be truncated"
            )
        self.rows.append(tokens)

    def _end_loop(self) -> None:
        if self.rows:
            columns = self.blocks[-1].columns
            for label, values in zip(columns, zip(*self.rows, strict=True), strict=True):
                columns[label] = list(values)
        self.rows = []
        self.in_loop = False


def _tokens(line: str) -> list[str]:
    if '"' not in line and "'" not in line and line.isascii():
        return line.split()
    return [double or single or bare for double, single, bare in _TOKEN.findall(line)]


def find_block(blocks: Sequence[StarBlock], *labels: str) -> StarBlock | None:
    """Give the first block that has all of these labels, or None."""
    return next((block for block in blocks if all(label in block for label in labels)), None)


def star_table(name: str, labels: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give one looped block as RELION 3.1 and later write it: numbered labels, then rows."""
    lines = ["", "# version 30001", "", f"data_{name}", "", "loop_ "]
    lines += [f"_{label} #{number} " for number, label in enumerate(labels, start=1)]
    lines += [" ".join(row) + " " for row in rows]
    return "\n".join(lines) + "\n \n"


def quoted(text: str) -> str:
    """Give a text as one STAR value: in double quotes where it is empty or holds a blank.

    RELION itself has no names with blanks; it reads what is quoted here as several values.
    """
    return text if text and not re.search(r"\s", text, re.ASCII) else f'"{text}"'

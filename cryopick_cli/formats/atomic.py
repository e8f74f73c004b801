"""Write files whole or not at all. What goes into them is the callers' business."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryopick_cli.errors import OutputError


@contextmanager
def atomic_path(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that takes its place when the block ends without an error.

    The folder is made where it is missing. The temporary file is an ordinary new file, so the user's umask
    and the folder's group hold for the result too.

    Raises
    ------
    OutputError
        If ``path`` is there and ``overwrite`` is false, or the folder cannot be written.
    """
    target = Path(path)
    _refuse_existing(target, overwrite)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _refuse_existing(target, overwrite)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        blocking = next((one for one in target.parents if one.is_file()), target)
        raise OutputError(f"{blocking}: found a file, expected a folder; give another output") from error
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror or error}); "
            "check the folder's rights and the free space"
        ) from error


def check_folder(path: str | Path) -> None:
    """See that a folder is there to be written to, or can be made; nothing is written.

    Asked before long work, so that it is not done in vain.

    Raises
    ------
    OutputError
        If a file is in its place or above it, or the rights are lacking.
    """
    folder = Path(path).absolute()
    there = next(one for one in (folder, *folder.parents) if one.exists())
    shown = path if there == folder else Path(os.path.relpath(there))
    if not there.is_dir():
        raise OutputError(f"{shown}: found a file, expected a folder; give another output")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"{shown}: found a folder without the right to write, expected one to write to; change its "
            "rights, or give another output"
        )


def make_folder(path: str | Path) -> Path:
    """Make a folder where it is missing.

    Raises
    ------
    OutputError
        If it cannot be made, or nothing may be written there.
    """
    check_folder(path)
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror or error}); give another output"
        ) from error
    return folder


def write_text(path: str | Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file (UTF-8, line feeds) in one go; see :func:`atomic_path` for what it raises."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: is there already; give another output, or --overwrite to replace it")
    if target.is_dir():
        raise OutputError(
            f"{target}: found a folder, expected a file's name; move the folder or choose another"
        )

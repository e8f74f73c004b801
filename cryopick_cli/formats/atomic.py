"""Write files whole or not at all. What goes into them is the callers' business."""

from __future__ import annotations

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
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror or error}); "
            "check the folder's rights and the free space"
        ) from error


def write_text(path: str | Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file (UTF-8, line feeds) in one go; see :func:`atomic_path` for what it raises."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise OutputError(
            f"{target}: is there already; give another output folder, or --overwrite to replace it"
        )
    if target.is_dir():
        raise OutputError(
            f"{target}: found a folder, expected a file's name; move the folder or choose another"
        )

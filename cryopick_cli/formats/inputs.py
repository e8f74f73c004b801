"""Which micrographs a run reads: folders, globs, lists, RELION and cryoSPARC tables to one list of sources.

Nothing is opened here but the lists themselves; a listed file that is missing comes out as a source all the
same, so that the run can report it.
"""

from __future__ import annotations

import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from cryopick_cli.errors import InputError
from cryopick_cli.formats import cryosparc, star_micrographs
from cryopick_cli.formats.micrograph import MASK_SUFFIX, SUFFIXES, is_micrograph_name, split_suffix
from cryopick_cli.formats.star_blocks import read_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MicrographSource:
    """One micrograph to read and the names under which its results are written.

    Attributes
    ----------
    path : Path
        The file; it may be missing.
    name : str
        As its list gives it, letter by letter, else its path; what ``rlnMicrographName`` must be.
    relative : str
        Path below the output folder, without suffix, with forward slashes; different for every source of a
        run.
    pixel_size : float or None
        Å per pixel as the list gives it; None leaves it to the file's header.
    optics_group : str or None
        Name of the RELION optics group.
    uid, exposure_group : int or None
        cryoSPARC's identifiers of the exposure and its group.
    shape : (int, int) or None
        (rows, columns) where the list tells them, as cryoSPARC's does; None leaves it to the file.
    listed : bool
        Whether a list or a table gave the name.
    """

    path: Path
    name: str
    relative: str
    pixel_size: float | None = None
    optics_group: str | None = None
    uid: int | None = None
    exposure_group: int | None = None
    shape: tuple[int, int] | None = None
    listed: bool = False


@dataclass(frozen=True)
class _Found:
    """A source and the longer tree it falls back to when the short one would not be unique."""

    source: MicrographSource
    long_relative: str


def find_micrographs(inputs: Sequence[str | Path]) -> list[MicrographSource]:
    """Find the micrographs that one or several inputs name.

    Parameters
    ----------
    inputs : sequence of str or Path
        Each a folder (searched recursively; hidden files and folders are skipped), a glob, a file,
        ``@list.txt``, a RELION STAR file with ``rlnMicrographName``, or cryoSPARC exposures (``.cs`` or
        ``.csg``).

    Returns
    -------
    list of MicrographSource
        In the order of the inputs, a folder's in order of name; a file named twice comes once. ``relative``
        is unique: the tree below the folder, the fixed part of the glob or the common folder of the list; for
        a RELION name what follows ``Type/jobNNN/``, as RELION does. Where that would make two names equal the
        longer tree is kept for the whole run.

    Raises
    ------
    InputError
        If an input is missing, of an unknown kind or holds no micrograph, or two files differ in nothing but
        their suffix.
    """
    if not inputs:
        raise InputError("no input (found nothing to read, expected a folder, file, glob, list or STAR file)")
    found = [item for one in inputs for item in _expand(str(one))]
    return _with_unique_trees(_without_repeats(found))


def _expand(text: str) -> list[_Found]:
    path = Path(text)
    if text.startswith("@"):
        return _from_list(Path(text[1:]))
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return _from_file(path)
    if glob.has_magic(text):
        return _from_glob(text)
    raise InputError(
        f"{text}: is missing (expected a folder, file, glob, @list or STAR file); check the name"
    )


def _from_file(path: Path) -> list[_Found]:
    suffix = path.suffix.lower()
    if suffix == ".star":
        return [_from_star_row(row) for row in star_micrographs.read_micrographs_star(path)]
    if suffix in (".cs", ".csg"):
        return [_from_exposure(exposure) for exposure in cryosparc.read_exposures(path)]
    return _from_paths([path], path.parent)


def _from_folder(folder: Path) -> list[_Found]:
    paths = sorted(_walk(folder))
    if not paths:
        raise InputError(
            f"{folder}: no micrographs in this folder (found 0 files ending in {', '.join(SUFFIXES)}); "
            "check the folder, or give a list"
        )
    return _from_paths(_without_previews(paths), folder)


def _walk(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(parent, name)
            for name in names
            if is_micrograph_name(name) and not (name.startswith(".") or name.endswith(MASK_SUFFIX))
        )


def _without_previews(paths: Sequence[Path]) -> list[Path]:
    """Keep one file a stem: MRC before TIFF before PNG and JPEG, which are then previews of the same view."""
    best: dict[Path, Path] = {}
    for path in paths:
        stem = path.with_name(split_suffix(path.name)[0])
        if stem not in best or _rank(path) < _rank(best[stem]):
            best[stem] = path
    kept = [path for path in paths if best[path.with_name(split_suffix(path.name)[0])] == path]
    if len(kept) < len(paths):
        first = next(path for path in paths if path not in kept)
        logger.warning(
            "%d files left out because another of the same name is there as MRC or TIFF (first: %s)",
            len(paths) - len(kept),
            first,
        )
    return kept


def _rank(path: Path) -> int:
    return SUFFIXES.index(split_suffix(path.name)[1].lower())


def _from_glob(pattern: str) -> list[_Found]:
    # Path.glob takes no absolute patterns.
    matches = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207
    paths = sorted(path for path in matches if path.is_file())
    if not paths:
        raise InputError(f"{pattern}: no file matches; put the pattern in quotes and check it")
    fixed = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    lists = [path for path in paths if path.suffix.lower() in (".star", ".cs", ".csg")]
    others = [path for path in paths if path not in lists]
    known = [path for path in others if is_micrograph_name(path.name)]
    # A pattern that matches nothing readable still names its files, so that each is refused with its reason.
    micrographs = _without_previews(known) if known else others
    return _from_paths(micrographs, Path(*fixed)) + [item for path in lists for item in _from_file(path)]


def _from_list(path: Path) -> list[_Found]:
    if not path.is_file():
        raise InputError(f"{path}: the list is missing; check its name")
    lines = [line.strip() for line in read_text(path).splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(f"{path}: the list is empty (expected one file a line)")
    paths = [_beside(name, path.parent) for name in names]
    parents = [_absolute(item).parent for item in paths]
    root = Path(os.path.commonpath(parents))
    return _from_paths(paths, root, names)


def _beside(name: str, folder: Path) -> Path:
    """Take a list's line as it stands, else beside the list; as it stands where neither is there."""
    as_given = Path(name)
    beside = folder / name
    return beside if not as_given.exists() and beside.exists() else as_given


def _from_paths(paths: Sequence[Path], root: Path, names: Sequence[str] | None = None) -> list[_Found]:
    absolute_root = _absolute(root)
    found = []
    for path, name in zip(paths, names or [path.as_posix() for path in paths], strict=True):
        absolute = _absolute(path)
        below = absolute.relative_to(absolute_root).as_posix()
        source = MicrographSource(
            path=path, name=name, relative=_without_suffix(below), listed=names is not None
        )
        found.append(_Found(source, _without_suffix(absolute.as_posix())))
    return found


def _absolute(path: Path) -> Path:
    """Give the path from the root without ``..``; links are not followed, so the tree stays the user's."""
    return Path(os.path.normpath(path.absolute()))


def _from_star_row(row: star_micrographs.StarMicrograph) -> _Found:
    source = MicrographSource(
        path=row.path,
        name=row.name,
        relative=_without_suffix(star_micrographs.below_job(row.name)),
        pixel_size=row.pixel_size,
        optics_group=row.optics_group,
        listed=True,
    )
    return _Found(source, _without_suffix(row.name))


def _from_exposure(exposure: cryosparc.Exposure) -> _Found:
    source = MicrographSource(
        path=exposure.path,
        name=exposure.name,
        relative=_without_suffix(exposure.name),
        pixel_size=exposure.pixel_size,
        uid=exposure.uid,
        exposure_group=exposure.group,
        shape=exposure.shape,
        listed=True,
    )
    return _Found(source, source.relative)


def output_tree(name: str) -> str:
    """Give the path below the output folder for a micrograph's name, without suffix.

    A leading ``Type/jobNNN/`` is cut as RELION does; nothing leads out of the folder.
    """
    below = star_micrographs.below_job(name)
    return _without_suffix(below) if is_micrograph_name(below) else "/".join(_safe_parts(below))


def _without_suffix(name: str) -> str:
    parts = _safe_parts(name)
    return "/".join([*parts[:-1], split_suffix(parts[-1])[0]])


def _safe_parts(name: str) -> list[str]:
    """Split a name at its folders, without a leading slash or a way up."""
    return [part for part in PurePosixPath(name).parts if part not in ("/", ".", "..")]


def _without_repeats(found: Sequence[_Found]) -> list[_Found]:
    kept: dict[str, _Found] = {}
    for item in found:
        kept.setdefault(os.path.realpath(item.source.path), item)
    if len(kept) < len(found):
        logger.warning("%d micrographs were named more than once; each is read once", len(found) - len(kept))
    return list(kept.values())


def _with_unique_trees(found: Sequence[_Found]) -> list[MicrographSource]:
    sources = [item.source for item in found]
    if not _first_clash(sources):
        return sources
    common = common_folder([item.long_relative for item in found])
    longer = [replace(item.source, relative=item.long_relative[len(common) :]) for item in found]
    clash = _first_clash(longer)
    if clash:
        raise InputError(
            f"{clash[0].path} and {clash[1].path}: their results would have one name ({clash[0].relative}); "
            "give one of them, or separate folders"
        )
    logger.warning(
        "several micrographs share a name; the results keep more of the folders' names to tell them apart"
    )
    return longer


def _first_clash(sources: Sequence[MicrographSource]) -> list[MicrographSource]:
    """Give the first sources whose results would be one file, also where the file system ignores case."""
    counts = Counter(source.relative.casefold() for source in sources)
    name = next((name for name, count in counts.items() if count > 1), None)
    return [source for source in sources if source.relative.casefold() == name]


def common_folder(names: Sequence[str]) -> str:
    """Give the folder that all names begin with, with a slash at its end; nothing where there is none."""
    folders = [name.split("/")[:-1] for name in names]
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    return "".join(f"{parts[0]}/" for parts in shared)

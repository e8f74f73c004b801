"""The shape of the house: who imports whom, what loads when, how long modules get, what no file may say."""

from __future__ import annotations

import ast
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import cryopick_cli

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "cryopick_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".cff", ".json", ".sh", ".txt", ".star", ".csv", ""}


def repository_files() -> list[Path]:
    """List the files that belong to the project: those git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def loaded_by(code: str) -> set[str]:
    """Run code in a new interpreter and name the top-level modules it has loaded."""
    show = "import sys; sys.stderr.write(' '.join({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", f"{code}\n{show}"]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(finished.stderr.split())


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring and signature."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_import_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    before = {name: log.disabled for name, log in _loggers()}
    try:
        assert lint_imports(no_cache=True, no_logo=True) == 0
    finally:  # import-linter configures logging anew, which silences every logger that is there already
        for name, log in _loggers():
            log.disabled = before.get(name, False)


def test_importing_the_package_loads_nothing_but_the_standard_library() -> None:
    foreign = loaded_by("import cryopick_cli") - set(sys.stdlib_module_names) - loaded_by("")
    assert foreign == {"cryopick_cli"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    call = f"from cryopick_cli.cli.main import cli\ncli.main({arguments}, standalone_mode=False)"
    heavy = {"torch", "torchvision", "numpy", "pandas", "scipy", "rich", "mrcfile", "starfile"}
    assert not heavy & loaded_by(call)


@pytest.mark.parametrize("storey", ["formats", "simulation", "evaluation"])
def test_storeys_that_do_without_torch_do_not_load_it(storey: str) -> None:
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for path in MODULES
        if path.parent == PACKAGE / storey
    ]
    assert "torch" not in loaded_by(f"import {', '.join(modules)}")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST_MODULE, f"{path.name}: split it"
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    long = {node.name: length(node) for node in functions if length(node) > LONGEST_FUNCTION}
    assert not long, f"{path.name}: split these functions"


def test_tests_mirror_the_package() -> None:
    storeys = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    folders = {path.parent.name for path in (REPOSITORY / "tests").glob("*/test_*.py")}
    assert folders <= storeys


def test_no_dependency_has_an_upper_pin() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    pins = [
        one for one in (*project["dependencies"], *extras) if re.search(r"<|==|~=", one.partition(";")[0])
    ]
    assert not pins
    assert "<" not in project["requires-python"]


def test_every_file_names_one_version() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {cryopick_cli.__version__}\n" in citation
    newest = re.search(r"^## \[(?!Unreleased)([^\]]+)\]", changelog, re.MULTILINE)
    assert newest is None or newest.group(1) == cryopick_cli.__version__


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    places = re.compile("/" + "(work|home|root|Users)/")
    guilty = [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for path in repository_files()
        if path.suffix in TEXT_SUFFIXES
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if places.search(line)
    ]
    assert not guilty


def _loggers() -> list[tuple[str, logging.Logger]]:
    known = logging.root.manager.loggerDict.items()
    return [(name, log) for name, log in known if isinstance(log, logging.Logger)]

"""The documents say what is true: links resolve, generated pages are current, the README's commands run."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in REPOSITORY.rglob("*.md") if "/." not in f"/{path.relative_to(REPOSITORY)}")
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def readme_commands() -> list[str]:
    """Give the README's shell blocks, a command each."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return [block.strip() for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_resolves(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for link in (one or other for one, other in LINK.findall(text)):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_the_index_names_every_page() -> None:
    docs = REPOSITORY / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md") if not page.name.endswith(".in.md")}
    assert pages - {"README.md"} == {link for link, _ in LINK.findall(index) if not link.startswith("..")}


def test_the_command_reference_is_current() -> None:
    made = runpy.run_path(str(REPOSITORY / "docs" / "reference" / "make_commands.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["make_page"](), (
        "run docs/reference/make_commands.py"
    )


def test_the_readme_has_one_command_to_pick_and_one_to_test() -> None:
    to_pick, to_test = readme_commands()[:2]
    assert "pip install" in to_pick
    assert " && cryopick pick " in to_pick
    continuous_integration = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert continuous_integration.rstrip().endswith(f"\n{to_test}")
    assert (REPOSITORY / shlex.split(to_test)[1]).is_file()


@pytest.mark.slow
def test_the_readmes_pick_runs_as_printed(tmp_path: Path) -> None:
    arguments = shlex.split(readme_commands()[0].rpartition(" && cryopick ")[2])
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    program = shutil.which("cryopick", path=str(Path(sys.executable).parent)) or "cryopick"
    run = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "median diameter" in run.stdout.lower()
    out = tmp_path / arguments[arguments.index("--out") + 1]
    assert (out / "picks.csv").is_file()
    assert list(out.rglob("*_autopick.star"))

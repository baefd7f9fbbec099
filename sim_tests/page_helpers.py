"""Code and commands of the pages in docs/ and of README.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NOT_RUN", "PAGES", "ROOT", "Block", "blocks", "commands", "prose", "python_blocks"]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = "Not run by the tests: "  # the title, which readers see, of a block that is not; the reason follows
FENCED = re.compile(r'^```(\w*)(?: title="([^"\n]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n(?:\n(?=    ))?)+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Code of a page, from a line on; indented code has neither language nor title."""

    language: str
    title: str
    code: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The code of a page's text: between fences, then what is indented."""
    for found in FENCED.finditer(page):
        yield Block(found[1], found[2] or "", found[3], page[: found.start(3)].count("\n") + 1)
    for found in INDENTED.finditer(FENCED.sub("", page)):
        yield Block("", "", re.sub(r"^    ", "", found[0], flags=re.MULTILINE), 0)


def python_blocks(page: Path) -> list[str]:
    """The Python code that readers are to run."""
    found = [each for each in blocks(page.read_text()) if each.language == "python"]
    return [each.code for each in found if not each.title.startswith(NOT_RUN)]


def prose(page: str) -> str:
    """A page's text without its code."""
    return INDENTED.sub("", FENCED.sub("", page))


def commands(page: str) -> Iterator[str]:
    """The shell's commands, one by one, without the folder of the program."""
    for block in blocks(page):
        if block.language in ("", "sh"):
            for line in block.code.splitlines():
                for command in line.split(" && "):
                    yield command.strip().removeprefix(".venv/bin/")

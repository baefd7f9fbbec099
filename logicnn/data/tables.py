"""Tables as spreadsheets save them: commas, semicolons or tabs between, decimal commas where the comma does not
separate, UTF-8 or UTF-16, with a line of names or without.
"""

import codecs
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logicnn.errors import LogicnnError

__all__ = ["Table", "TableError", "number_of"]

SHOWN = 60  # characters of a row in a message
ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class TableError(LogicnnError):
    """A file that is no table; the message names it."""


@dataclass(frozen=True)
class Table:
    """Rows of words, none of them empty, and the names above them, or none."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    separator: str

    @classmethod
    def read(cls, path: Path) -> "Table":
        """Raises `TableError` for a file that holds none."""
        data = path.read_bytes()
        encoding = next((each for mark, each in ENCODINGS.items() if data.startswith(mark)), "utf-8")
        text = data.decode(encoding, errors="replace")
        separator = _separator(text)
        try:
            lines = [words for words in csv.reader(text.splitlines(), delimiter=separator) if any(words)]
        except csv.Error as error:
            raise TableError(f"cannot read {path}: {error}") from None
        names: tuple[str, ...] = ()
        words = [word.strip() for word in lines[0]] if lines else []
        named = words[0 if all(words) else 1 :]  # a first column without a name is an index that a program wrote
        if named and all(word and number_of(word, separator) is None for word in named):
            names = (*(["column 1"] if len(named) < len(words) else []), *named)
            del lines[0]
        if not lines:
            raise TableError(f"{path} holds no sample")
        return cls(names, lines, separator)

    def shown(self, row: int) -> str:
        """A row's beginning, for messages."""
        return self.separator.join(self.rows[row])[:SHOWN]


def _separator(text: str) -> str:
    """Of the first line that is not empty, outside quotes: a tab or a semicolon where there is one, else the comma."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(first.split('"')[::2])
    return next((each for each in "\t;" if each in outside), ",")


def number_of(word: str, separator: str) -> float | None:
    """None for what is no number. A comma is a decimal one where it does not separate."""
    if separator != "," and word.count(",") == 1 and "." not in word:
        word = word.replace(",", ".")
    try:
        return float(word)
    except ValueError:
        return None

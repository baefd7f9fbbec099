"""Puts the tables of `benchmarks.tables` and its like into README.md and docs/results.md, each between two comments
that have its name: ``python -m benchmarks.readme``.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks import tables, tables_circuits, tables_engines, tables_luts, tables_trust

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- {}: python -m benchmarks.readme -->", "<!-- end of {} -->"

PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    ROOT / "README.md": {"boards": tables.placed_boards},
    ROOT / "docs" / "results.md": {
        "results": tables.results,
        "luts": tables_luts.luts,
        "luts_fast": tables_luts.luts_fast,
        "luts_data": tables_luts.luts_data,
        "luts_published": tables_luts.luts_published,
        "luts_teacher": tables_luts.luts_teacher,
        "choices": tables.choices,
        "integers": tables.integers,
        "integer_logic": tables.integer_logic,
        "integer_clocks": tables.integer_clocks,
        "patterns": tables.patterns,
        "engine": tables.engine,
        "knapsack": tables_engines.knapsack,
        "budgets": tables_engines.budgets,
        "smaller_tile": tables_engines.smaller_tile,
        "reuse": tables_engines.reuse,
        "own_data": tables_engines.own_data,
        "explored": tables_engines.explored,
        "kernels_alike": tables_engines.kernels_alike,
        "imports": tables_engines.imports,
        "verilog": tables.verilog,
        "compilers": tables.compilers,
        "arithmetic": tables.arithmetic,
        "depths": tables.depths,
        "retiming": tables.retiming,
        "circuits": tables_circuits.circuits,
        "circuits_retimed": tables_circuits.circuits_retimed,
        "proofs": tables_trust.proofs,
        "faults": tables_trust.faults,
        "bitstreams": tables_trust.bitstreams,
    },
}


def filled(text: str, found: dict[str, Callable[[], str]]) -> str:
    """The text of a page with each table between its two comments; ValueError where it does not have them once."""
    for name, table in found.items():
        begin, end = BEGIN.format(name), END.format(name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"a page has no place for the table {name!r}: expected one {begin} and one {end}")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table()}\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    for page, found in PAGES.items():
        page.write_text(filled(page.read_text(), found))


if __name__ == "__main__":
    main()

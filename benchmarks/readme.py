"""The README's table of results, made from the benchmark's record: ``python -m benchmarks.readme`` puts it there."""

import json
from pathlib import Path

from benchmarks.common import RESULTS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results: python -m benchmarks.readme -->", "<!-- end of results -->"


def table(record: dict) -> str:
    """Markdown: the baselines, the shipped network on every board, and the network below 9 ns."""
    rows = [
        ("MNIST, 10,000 test images", "accuracy", "LUT4", "logic cells", "core delay", "netlist against network"),
        ("---",) * 6,
        (f"float, {'-'.join(map(str, record['shape']))}, not pruned", f"{record['float_accuracy']:.2%}", "", "", "", ""),
        ("binarized, not pruned", f"{record['binarized_accuracy']:.2%}", f"{record['unpruned_lut4_estimate']:,} (estimate)", "", "", ""),
    ]
    shipped = [row for row in record["placed"] if row["network"] == "mnist-bnn"]
    for row in [*shipped, *([record["under_9ns"]] if record["under_9ns"] else [])]:
        equal = f"{row['vectors'] - row['mismatches']:,} of {row['vectors']:,} vectors equal"
        cells = (f"{row['accuracy']:.2%}", f"{row['lut4']:,}", f"{row['logic_cells']:,}", f"{row['delay_ns']:.1f} ns", equal)
        rows.append((f"`{row['network']}` on {row['device']} (`{row['board']}`)", *cells))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n{table(json.loads((RESULTS / 'payra.json').read_text()))}\n{END}{after}")


if __name__ == "__main__":
    main()

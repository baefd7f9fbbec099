"""The table of docs/results.md about networks of learned tables."""

from statistics import mean

from benchmarks.tables import delay, equal, markdown, record_of


def luts() -> str:
    """Accuracy against logic cells, on the icebreaker."""
    rows = [
        (
            "MNIST, iCE40UP5K (`icebreaker`)",
            "test accuracy",
            "of three seeds: least, mean, most",
            "tables, pixels",
            "LUT4",
            "logic cells (estimated)",
            "core delay",
            "netlist against network",
        )
    ]
    for row in record_of("luts")["rows"]:
        if not row["fits"]:
            rows.append((f"`{row['network']}`", *[""] * 6, "does not fit"))
            continue
        seeds = row["accuracy_seeds"]
        rows.append(
            (
                f"`{row['network']}`",
                f"{row['accuracy']:.2%}",
                f"{min(seeds):.2%}, {mean(seeds):.2%}, {max(seeds):.2%}",
                f"{row['tables']:,}, {row['inputs']}",
                f"{row['lut4']:,}",
                f"{row['logic_cells']:,} ({row['estimated_logic_cells']:,})",
                delay(row["core_delay_ns"], 1),
                equal(row, row["vectors"]),
            )
        )
    return markdown(rows)

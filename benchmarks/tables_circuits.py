"""The tables of docs/results.md about circuits of others."""

from benchmarks.tables import markdown, record_of

DEVICES = {"ice40": "iCE40", "ecp5": "ECP5"}
SUMMED = (
    "gates",
    "flip_flops",
    "cells",
    "flip_flops_left",
    "outputs",
    "outputs_moving",
    "outputs_compared",
    "mismatches",
    "mismatches_settled",
)


def circuits() -> str:
    """Their netlists against their gates, by kind and family."""
    record = record_of("circuits")
    rows = [
        (
            "netlists, clock by clock from reset",
            "circuits",
            "gates, flip-flops",
            "logic cells, flip-flops left",
            "outputs that were both 0 and 1",
            "bits compared",
            "that differ",
        )
    ]
    for kind, sequential in (("without flip-flops (ISCAS'85)", False), ("with flip-flops (ISCAS'89)", True)):
        for family in record["families"]:
            of = [row for row in record["rows"] if row["family"] == family and bool(row["flip_flops"]) is sequential]
            total = {name: sum(row.get(name, 0) for row in of) for name in SUMMED}
            rows.append(
                (
                    f"{kind}, {DEVICES[family]}",
                    str(len(of)),
                    f"{total['gates']:,}, {total['flip_flops']:,}",
                    f"{total['cells']:,}, {total['flip_flops_left']:,}",
                    f"{total['outputs_moving']:,} of {total['outputs']:,}",
                    f"{total['outputs_compared']:,}",
                    f"{total['mismatches'] + total['mismatches_settled']:,}",
                )
            )
    return markdown(rows)


def circuits_retimed() -> str:
    """Periods and registers of those in which a register moves; the others are counted."""
    rows = [
        (
            "a delay of 1 for every gate",
            "gates",
            "period, registers as drawn",
            "fewest registers at that period",
            "least period, fewest registers at it",
            "bits compared, that differ",
        )
    ]
    others = []
    for row in record_of("circuits_retimed")["rows"]:
        if row["least_period"] == row["period"] and row["fewest_registers"] == row["registers"]:
            others.append(row["circuit"])
            continue
        rows.append(
            (
                row["circuit"],
                f"{row['gates']:,}",
                f"{row['period']:g}, {row['registers']:,}",
                f"{row['fewest_registers']:,}",
                f"{row['least_period']:g}, {row['registers_at_least_period']:,}",
                f"{row['outputs_compared'] + row['gates_compared']:,}, {row['mismatches'] + row['gate_mismatches']:,}",
            )
        )
    rows.append((f"no better than drawn: {', '.join(others)}", *[""] * 5))
    return markdown(rows)

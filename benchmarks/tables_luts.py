"""The tables of docs/results.md about networks of learned tables."""

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
            "register to register",
            "cycles to the class",
            "netlist against network",
        )
    ]
    for row in record_of("luts")["rows"]:
        if not row["fits"]:
            rows.append((f"`{row['network']}`", *[""] * 7, "does not fit"))
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
                str(row["latency_cycles"]),
                equal(row, row["vectors"]),
            )
        )
    return markdown(rows)


def luts_fast() -> str:
    """Alone between registers on an ECP5: delay, or clock and latency."""
    rows = [
        (
            "MNIST, ECP5 (LFE5U-25F, speed 6)",
            "test accuracy",
            "tables",
            "LUT4",
            "registers (predicted)",
            "three seeds: median, best",
            "input to class",
            "netlist against network",
        )
    ]
    for row in record_of("luts_fast")["rows"]:
        if row["latency_cycles"]:
            what = f"registers after {row['levels']} LUTs"
            speed = f"{row['clock_mhz']:.0f} MHz, {max(row['clock_mhz_by_seed']):.0f} MHz"
            until = f"{row['latency_cycles']} cycles, {row['latency_ns']:.1f} ns"
            registers = f"{row['predicted_registers']:,}"
        else:
            what, registers = "logic alone", ""
            speed = f"{row['core_delay_ns']:.1f} ns, {min(row['core_delay_ns_by_seed']):.1f} ns"
            until = delay(row["core_delay_ns"], 1)
        rows.append(
            (
                f"`{row['network']}`, {what}",
                f"{row['accuracy']:.2%}",
                f"{row['tables']:,}",
                f"{row['lut4']:,}",
                registers,
                speed,
                until,
                equal(row, row["vectors"]),
            )
        )
    return markdown(rows)

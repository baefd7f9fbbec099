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


def luts_data() -> str:
    """Jets and network traffic, on an ulx3s."""
    rows = [
        (
            "LFE5U-85F (`ulx3s`)",
            "data",
            "test accuracy",
            "of three seeds: least, mean, most",
            "tables, bits stored",
            "LUT4",
            "logic cells (estimated)",
            "register to register",
            "cycles to the class, clock",
            "netlist against network",
        )
    ]
    for row in record_of("luts_data")["rows"]:
        seeds = row["accuracy_seeds"]
        rows.append(
            (
                f"`{row['network']}`",
                f"`{row['dataset']}`",
                f"{row['accuracy']:.2%}",
                f"{min(seeds):.2%}, {mean(seeds):.2%}, {max(seeds):.2%}",
                f"{row['tables']:,}, {row['inputs']}",
                f"{row['lut4']:,}",
                f"{row['logic_cells']:,} ({row['estimated_logic_cells']:,})",
                delay(row["core_delay_ns"], 1),
                f"{row['latency_cycles']}, {row['clock_mhz']:g} MHz",
                equal(row, row["vectors"]),
            )
        )
    return markdown(rows)


def luts_published() -> str:
    """What others report of the same tasks, on other FPGAs."""
    rows = [("task and data", "network", "accuracy", "LUT6", "input to class", "part", "read in")]
    for row in record_of("luts_data")["published"]:
        lut6, latency = row["lut6"], row["latency_ns"]
        rows.append(
            (
                row["task"],
                row["network"],
                f"{100 * row['accuracy']:g}%",
                "not there" if lut6 is None else f"{lut6:,}",
                "" if latency is None else f"{latency:g} ns",
                row["part"],
                row["read"],
            )
        )
    return markdown(rows)


def luts_teacher() -> str:
    """With a teacher and without, on samples that were left out of training."""
    rows = [
        (
            "samples that were left out of training",
            "without a teacher",
            "with one",
            "difference",
            "the teacher itself",
            "its weights",
            "seconds, of these the teacher's training",
        )
    ]
    for row in record_of("luts_teacher")["rows"]:
        teacher = row["teacher"]
        rows.append(
            (
                f"`{row['network']}`, seed {row['seed']}",
                f"{row['validation_accuracy_alone']:.2%}",
                f"{row['validation_accuracy']:.2%}",
                f"{100 * row['gain']:+.2f} points",
                f"{teacher['validation_accuracy']:.2%}",
                f"{teacher['parameters']:,}",
                f"{row['seconds']:.0f}, {teacher['seconds']:.0f}",
            )
        )
    return markdown(rows)

"""The tables of README.md and docs/results.md, each made from benchmarks' records."""

import json
from collections.abc import Callable
from statistics import median

from benchmarks.common import RESULTS


def markdown(rows: list[tuple[str, ...]]) -> str:
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ("---",) * len(head), *body])


def record_of(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def delay(delay_ns: float | None, digits: int = 0) -> str:
    """Nothing for a design in which no path runs through the network from register to register."""
    return "" if delay_ns is None else f"{delay_ns:.{digits}f} ns"


def equal(row: dict, compared: int) -> str:
    return f"{compared - row['mismatches']:,} of {compared:,} equal"


def results() -> str:
    """The baselines, the shipped network on every board, and the network below 9 ns."""
    record = record_of("payra")
    rows = [
        ("MNIST, 10,000 test images", "accuracy", "LUT4", "logic cells", "core delay", "netlist against network"),
        (
            f"float, {'-'.join(map(str, record['shape']))}, not pruned",
            f"{record['float_accuracy']:.2%}",
            "",
            "",
            "",
            "",
        ),
        (
            "binarized, not pruned",
            f"{record['binarized_accuracy']:.2%}",
            f"{record['unpruned_lut4_estimate']:,} (estimate)",
            "",
            "",
            "",
        ),
    ]
    shipped = [row for row in record["placed"] if row["network"] == "mnist-bnn"]
    fastest = record["under_9ns"]
    for row in [*shipped, *([fastest] if fastest else [])]:
        same = equal(row, row["vectors"])
        chosen = ""
        if row is fastest:  # of all seeds of its network and board
            of = [each for each in record["fast"] if all(each[name] == row[name] for name in ("network", "board"))]
            delays = [each["delay_ns"] for each in of if each["delay_ns"] is not None]
            chosen = f", best of {len(delays)} seeds; median {delay(median(delays), 1)}"
        cells = (
            f"{row['accuracy']:.2%}",
            f"{row['lut4']:,}",
            f"{row['logic_cells']:,}",
            delay(row["delay_ns"], 1) + chosen,
            same,
        )
        rows.append((f"`{row['network']}` on {row['device']} (`{row['board']}`)", *cells))
    return markdown(rows)


def choices() -> str:
    """Hyper-parameters of binarized networks, judged on training samples that are left out: the best of each."""
    rows = [("network", "options of its recipe", "accuracy on the samples left out, three seeds", "LUT4 (estimate)")]
    for network in record_of("choices")["networks"]:
        for row in sorted(network["rows"], key=lambda row: -row["mean"])[:5]:
            shown = f"{row['mean']:.2%}, deviation {100 * row['deviation']:.2f} points"
            lut4 = f"{min(row['estimated_lut4']):,} to {max(row['estimated_lut4']):,}"
            rows.append((f"`{network['network']}`", f"`{row['options']}`", shown, lut4))
    return markdown(rows)


def compilers() -> str:
    """Constant matrices here and in da4ml: cells, and their price in time to compile and in delay."""
    record = record_of("adders")
    small = sum("delay_ns" in case["da4ml"] for case in record["cases"])
    rows = [
        (
            "of da4ml's, geometric means",
            f"logic cells, {len(record['cases'])} matrices on iCE40 and ECP5",
            "at most",
            "time to compile",
            f"placed delay, {small} matrices on ECP5",
        ),
        (
            "few searches",
            f"{record['geomean_vs_da4ml_quick']:.2f}",
            f"{record['max_vs_da4ml_quick']:.2f}",
            f"{record['geomean_compile_vs_da4ml_quick']:.2f}, at most {record['max_compile_vs_da4ml_quick']:.2f}",
            "not placed",
        ),
        (
            "as many as by default",
            f"{record['geomean_vs_da4ml']:.3f}",
            f"{record['max_vs_da4ml']:.2f}",
            f"{record['geomean_compile_vs_da4ml']:.0f}",
            f"{record['geomean_delay_vs_da4ml']:.2f}",
        ),
        (
            "by default, at most da4ml's additions on a path",
            f"{record['geomean_vs_da4ml_at_depth']:.2f}",
            "",
            "",
            f"{record['geomean_delay_vs_da4ml_at_depth']:.2f}",
        ),
    ]
    return markdown(rows)


def arithmetic() -> str:
    """Constant matrices and shared popcounts: what they cost beside what else there is."""
    adders, popcount = map(record_of, ("adders", "popcount"))
    layers = {row["density"]: row for row in popcount["layers"] if row["inputs"] == 128}
    rows = [
        ("random weights", "measured"),
        (
            "constant matrices of at most 3,000 carry bits",
            f"{adders['geomean_vs_plain']:.2f} of the logic cells of `*` and `+`",
        ),
        *(
            (
                f"{row['outputs']}x{row['inputs']}, dense, {row['weight_bits']}-bit weights",
                f"{row['adders']:,} additions of {row['carry_bits']:,} bits, compiled in {row['compile_s']:.1f} s; "
                f"da4ml {row['da4ml']['adders']:,} of {row['da4ml']['carry_bits']:,} in "
                f"{row['da4ml']['compile_s']:.2g} s",
            )
            for row in adders["timed"]
        ),
        *(
            (
                f"32 binarized neurons of 128 inputs, {density:.0%} kept, on iCE40",
                f"{layers[density]['shared']['lut4_per_synapse']:.2f} LUT4 a synapse shared,"
                f" {layers[density]['separate']['lut4_per_synapse']:.2f} separate",
            )
            for density in (1.0, 0.5)
        ),
    ]
    return markdown(rows)


def depths() -> str:
    """What a bound on the additions one after the other costs and saves."""
    record = record_of("depths")
    rows = [
        (
            "additions one after the other",
            "carry bits",
            *(f"register bits at {period:g} ns" for period in record["periods_ns"]),
        )
    ]
    for row in record["against_no_bound"]:
        more = row["beyond_least"]
        bound = "no bound" if more is None else f"{more} more than the least" if more else "the least"
        rows.append((bound, f"{row['carry_bits']:.2f}", *(f"{each:.2f}" for each in row["register_bits"])))
    return markdown(rows)


def _pipeline(row: dict | None) -> str:
    if row is None:
        return "not measured"
    clocks = len(row["fmax_mhz_by_seed"])
    shown = f"{row['pipeline_stages']}, {row['register_bits']:,}, {row['fmax_mhz']:.0f} MHz"
    return f"{shown} ({clocks} seed{'s' * (clocks > 1)})"


def retiming() -> str:
    """Random layers in pipeline stages: where the registers lie, and what each clock costs."""
    forms = {
        "layer_ends": "at layer ends",
        "equal_stages": "retimed, as many stages",
        "retimed": "retimed, more stages",
        "soonest": "those stages, every operation as soon as possible",
    }
    record = record_of("retiming")
    rows = [("stages, register bits, placed clock", *forms.values())]
    for row in record["networks"]:
        rows.append((f"{row['name']} on {row['device']}", *(_pipeline(row["forms"].get(form)) for form in forms)))
    gains = (f"{1 + record[name]:.2f} times" for name in ("mean_gain_at_equal_stages", "mean_gain"))
    rows.append(("clock, in the mean of the networks", "1", *gains, ""))
    return markdown(rows)


def integers() -> str:
    """What the nine networks of Xu et al., Table I, get right, or wrong."""
    rows = [("", "float", "8 bits, pruned", "proposed", "published", "change from float: ours", "published")]
    for row in record_of("logic_design")["networks"]:
        rate = row["measure"] == "bit error rate"

        def shown(value: float, rate: bool = rate) -> str:
            return f"{value:.2e}" if rate else f"{value:.2%}"

        def change(of: dict, rate: bool = rate) -> str:
            if rate:
                return f"{of['proposed'] / of['float'] - 1:+.0%}"
            return f"{100 * (of['proposed'] - of['float']):+.2f} points"

        figures = [row["float"], row["quantised"], row["proposed"], row["published"]["proposed"]]
        rows.append((f"`{row['name']}`", *map(shown, figures), change(row), change(row["published"])))
    return markdown(rows)


def integer_logic() -> str:
    """What the same networks cost."""
    rows = [("logic cells", "plain (estimate)", "embedded", "shared", "selected", "toggles a sample")]
    for row in record_of("logic_design")["networks"]:
        cells = (f"{row[f'cells_{form}']:,}" for form in ("plain", "embedded", "shared", "selected"))
        toggles = f"{row['toggles_embedded']:,} to {row['toggles_selected']:,}"
        rows.append((f"`{row['name']}`", *cells, toggles))
    return markdown(rows)


def integer_clocks() -> str:
    """Where their registers lie, and what each clock costs."""
    rows = [("stages, register bits, placed clock", "at layer ends", "retimed, more stages")]
    for row in record_of("logic_design")["networks"]:
        clocks = {"selected": row["fmax_layer_ends"], "retimed": row["fmax_retimed"]}
        made = ((row["forms"][form], megahertz) for form, megahertz in clocks.items())
        shown = (f"{form['pipeline_stages']}, {form['register_bits']:,}, {fmax:.0f} MHz" for form, fmax in made)
        rows.append((f"`{row['name']}`", *shown))
    return markdown(rows)


def patterns() -> str:
    """Networks with kernels pruned to patterns."""
    return f"{_lenet5()}\n\n{_cnn_small()}"


def engine() -> str:
    """LeNet-5 on boards."""
    record = record_of("lenet5_icebreaker")
    boards = [("icebreaker", record), ("ulx3s", record["ulx3s"])]
    rows = [("`lenet5-ikr`", *(f"{row['device']} (`{board}`)" for board, row in boards))]

    def line(name: str, shown: Callable[[dict], str]) -> None:
        rows.append((name, *(shown(row) for _, row in boards)))

    line(
        "cycles from the last word to the class, predicted",
        lambda row: f"{row['cycles']:,}, {row['predicted_cycles']:,}",
    )
    line("clock, placed", lambda row: f"{row['clock_mhz']:.0f} MHz, {row['fmax_mhz']:.1f} MHz")
    line("time an image, in the engine", lambda row: f"{row['ms_per_image']:.2f} ms")
    line(
        "time an image, on the serial line",
        lambda row: f"{row['line_ms_per_image']:.1f} ms at {row['baud']:,} baud",
    )
    line(
        "on the line at its fastest, simulated",
        lambda row: f"{row['fastest_line_ms_per_image']:.2f} ms at {row['fastest_baud']:,} baud",
    )
    line("products by weights that are not 0, of 16 a cycle", lambda row: f"{row['fraction_of_peak']:.0%}")
    line("logic cells, DSP blocks", lambda row: f"{row['logic_cells']:,}, {row['dsp']}")
    line("block RAM, large RAM", lambda row: f"{row['bram']}, {row['spram']}")
    line(
        "netlist against network",
        lambda row: equal(row, row["simulated_images"]),
    )
    line("test error of the netlist", lambda row: f"{row['error_netlist']:.2%}")
    return markdown(rows)


def _cnn_small() -> str:
    small = record_of("ikr")["cnn_small"]
    schedule, published = small["schedule"], small["published"]
    whole, retrained = schedule["epochs"], schedule["falling"] + schedule["settled"]
    rows = [
        ("CNN_small, CIFAR-10 re-encoded as JPEG (lossy), 10,000 test images", "weights kept", "test error"),
        (f"float, {whole} epochs", "100.0%", f"{small['error_float']:.2%}"),
        (
            f"patterns that follow the weights, {retrained} epochs more",
            f"{small['density']:.1%}",
            f"{small['error_pruned']:.2%}",
        ),
        ("the same, 8-bit weights and activations", f"{small['density']:.1%}", f"{small['error_int8']:.2%}"),
        ("published, original images: float, 70 epochs", "100.0%", f"{published['error_float']:.2%}"),
        (
            "published, original images: pruned, 40 epochs more",
            f"{published['density']:.1%}",
            f"{published['error_pruned']:.2%}",
        ),
    ]
    return markdown(rows)


def _lenet5() -> str:
    lenet = record_of("ikr")["lenet5"]
    published = lenet["published"]
    stages = (
        ("float", "error_float", 1.0),
        ("patterns that follow the weights, by coverage", "error_pruned", lenet["density"]),
        ("the same, 8-bit weights and activations", "error_int8", lenet["density"]),
        ("patterns chosen once, by coverage", "error_chosen_once", lenet["density"]),
        ("patterns chosen once, by summed quality, as in the paper", "error_paper_choice", lenet["density"]),
        ("fine-grained, no patterns", "error_fine_grained", lenet["density_fine_grained"]),
    )
    rows = [("LeNet-5, MNIST, 10,000 test images", "weights kept", "test error")]
    rows += [(name, f"{density:.1%}", f"{lenet[key]:.2%}") for name, key, density in stages]
    rows += [("published: float", "100.0%", f"{published['error_float']:.2%}")]
    rows += [("published: pruned to patterns", f"{published['density']:.1%}", f"{published['error_pruned']:.2%}")]
    return markdown(rows)


def time(time_ns: float) -> str:
    """In the unit in which it is a number of two or three digits."""
    for unit, factor in (("ns", 1), ("us", 1e3)):
        if time_ns < 1e3 * factor:
            return f"{time_ns / factor:.0f} {unit}"
    return f"{time_ns / 1e6:.1f} ms"


def placed_boards() -> str:
    """Every shipped network on every shipped board: its cells, and the time from an input to its class."""
    record = record_of("boards")
    names = sorted({row["board"] for row in [*record["placed"], *record["refused"]]})
    rows = [("network", "accuracy", *(f"`{name}`" for name in names))]
    for model in sorted({row["model"] for row in record["placed"]}):
        placed = {row["board"]: row for row in record["placed"] if row["model"] == model}
        cells = []
        for name in names:
            row = placed.get(name)
            if row is None:
                cells.append("too large")
                continue
            clocked_ns = row["latency_cycles"] * 1e3 / row["clock_mhz"]
            cells.append(f"{row['logic_cells']:,} cells, {time(clocked_ns or row['core_delay_ns'])}")
        rows.append((f"`{model}`", f"{next(iter(placed.values()))['accuracy']:.1%}", *cells))
    return markdown(rows)


def verilog() -> str:
    """Every shipped network as text."""
    rows = [
        (
            "",
            "form",
            "testbench: Icarus, Verilator",
            "iCE40, LUT4",
            "ECP5, logic cells",
            "Xilinx, LUT1 to LUT6",
            "netlist against network",
        )
    ]
    for row in record_of("verilog")["exported"]:
        passed = ", ".join(
            "passed" if row[f"{simulator}_passed"] else "FAILED" for simulator in ("iverilog", "verilator")
        )
        counts = [f"{row[name]:,}" if name in row else "" for name in ("lut4", "ecp5_cells", "xilinx_cells")]
        same = equal(row, row["netlist_vectors"]) if "netlist_vectors" in row else ""
        rows.append((f"`{row['model']}`", row["form"], passed, *counts, same))
    return markdown(rows)

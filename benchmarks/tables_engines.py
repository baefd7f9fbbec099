"""Tables of engines that reuse multipliers or results, and of data and networks from elsewhere."""

from benchmarks.tables import equal, markdown, record_of, time


def knapsack() -> str:
    """Groups of weights pruned as wholes."""
    rows = [
        (
            "network",
            "reuse",
            "pruned",
            "accuracy before",
            "after",
            "DSP",
            "block RAM",
            "LUT4",
            "cycles",
            "fastest clock",
            "netlist against network",
        )
    ]
    for row in record_of("knapsack")["rows"]:
        changes = _changes(row, "dsp", "bram", "lut", "cycles")
        clock = f"{row['fmax_mhz_after']:.0f} MHz" if row["placed_after"] else "not placed"
        names = f"`{row['network']}`", str(row["reuse"]), row["method"]
        rows.append((*names, *_spread(row), *changes, clock, equal(row, row["vectors"])))
    return markdown(rows)


def _spread(row: dict) -> list[str]:
    """The accuracies of all seeds before and after."""
    return [", ".join(f"{each[f'accuracy_{when}']:.1%}" for each in row["seeds"]) for when in ("before", "after")]


def _changes(row: dict, *names: str) -> list[str]:
    """What there was of each before, and after."""
    return [f"{row[f'{name}_before']:,} to {row[f'{name}_after']:,}" for name in names]


def budgets() -> str:
    """Scopes and measures of pruned multipliers: those left at the same bound on accuracy, and accuracy at the same
    budget.
    """
    rows = [("network", "reuse", "pruned", "multipliers before", "left, each seed", "budget", "accuracy at it")]
    for row in record_of("knapsack")["rows"]:
        if "common_share" in row:
            left = ", ".join(f"{each['used'].get('dsp', row['dsp_before']):,}" for each in row["seeds"])
            budget, accuracy = row["common_share"], row["validation_accuracy_at_share"]
            names = f"`{row['network']}`", str(row["reuse"]), row["method"].removeprefix("multipliers, ")
            rows.append((*names, f"{row['dsp_before']:,}", left, f"{budget:.1%}", f"{accuracy:.2%}"))
    return markdown(rows)


def smaller_tile() -> str:
    """Pruned networks on fewer multipliers than the unpruned ones, in as many cycles."""
    rows = [
        (
            "network",
            "accuracy before",
            "after",
            "DSP",
            "cycles",
            "products of those possible",
            "logic cells",
            "block RAM, SPRAM",
            "netlist against network, before and after",
        )
    ]
    for row in record_of("smaller_tile")["rows"]:
        busy = f"{row['occupancy_before']:.0%} to {row['occupancy_after']:.0%}"
        memory = ", ".join(_changes(row, "bram", "spram"))
        equal = ", ".join(
            f"{row[f'vectors_{when}'] - row[f'mismatches_{when}']:,} of {row[f'vectors_{when}']:,} equal"
            for when in ("before", "after")
        )
        spread, changes, cells = _spread(row), _changes(row, "dsp", "cycles"), _changes(row, "logic_cells")
        rows.append((f"`{row['network']}`", *spread, *changes, busy, *cells, memory, equal))
    return markdown(rows)


def reuse() -> str:
    """Binarized convolutions before and after their kernels are made alike, with kernel reuse and without."""
    rows = [
        (
            "data",
            "trained",
            "accuracy, three seeds",
            "operations left out by reuse",
            "by early decisions: each by itself, all lanes together",
            "cycles: reuse, plain",
            "net changes: reuse, plain",
            "LUT4: reuse, plain",
            "placed on",
            "logic cells, clock",
            "netlist against network",
        )
    ]
    for row in (*record_of("reuse")["rows"], *record_of("reuse_cifar10")["rows"]):
        reused, plain = row["synthesised"], row["synthesised_plain"]
        rows.append(
            (
                row["dataset"],
                "for the class alone" if row["network"].endswith("-whole") else "kernels made alike",
                ", ".join(f"{each['accuracy']:.2%}" for each in row["seeds"]),
                f"{row['operations_pruned']:.1%}",
                f"{_left_out(row, 'synapses_early')}, {_left_out(row, 'synapses_together')}",
                f"{row['cycles_mean']:,}, {row['cycles_plain']:,}",
                f"{reused['toggles'] / 1e6:.1f} million, {plain['toggles'] / 1e6:.1f} million",
                f"{reused['lut']:,}, {plain['lut']:,}",
                f"`{row['placed']}`",
                f"{row['logic_cells']:,}, {row['clock_mhz']:.0f} of at most {row['fmax_mhz']:.0f} MHz",
                f"{row['images'] - row['outputs_changed']:,} of {row['images']:,} equal",
            )
        )
    return markdown(rows)


def own_data() -> str:
    """A user's data from nothing to a checked bitstream, and the recipe by hand."""
    record = record_of("own_data")
    rows = [
        (
            "data",
            "training",
            "all commands",
            "accuracy: left-out samples, test samples",
            "logic cells",
            "netlist against network",
        )
    ]
    for row in record["rows"]:
        rows.append(
            (
                row["data"],
                f"{row['minutes_training']} min",
                f"{row['minutes']:.1f} min",
                f"{row['accuracy_validation']:.2%} of {row['validation_samples']:,}, {row['accuracy_test']:.2%} of "
                f"{row['test_samples']:,}",
                f"{row['logic_cells']:,}",
                equal(row, row["vectors"]),
            )
        )
    hand = record["by_hand"]
    by_hand = f"by hand, {hand['epochs']} epochs"
    rows.append(("MNIST", by_hand, f"{hand['minutes']:.1f} min", f"{hand['accuracy_test']:.2%} of 10,000", "", ""))
    return markdown(rows)


def explored() -> str:
    """What an hour of exploration came to: the front, and the networks that are shipped."""
    record = record_of("explore")
    rows = [
        (
            "way",
            "left-out samples",
            "test samples",
            "logic cells",
            "from a sample to its class",
            "energy a sample (estimate)",
            "vectors equal",
            "shipped for this engine",
        )
    ]
    trials = {row["trial"]: row for row in record["rows"]}
    shipped = dict(record["shipped"])
    for row in (trials[number] for number in record["front"]):
        way, used = row["way"], row["energy_uj"]
        name = shipped.pop(way, None)  # beside the most accurate
        rows.append(
            (
                f"`{way}`",
                f"{row['validation_accuracy']:.2%}",
                f"{row['test_accuracy']:.2%}",
                f"{row['logic_cells'] or row['logic_cells_estimated']:,}",
                time(row["answer_ns"] or row["answer_ns_estimated"]),
                f"{1e3 * used['least_uj']:.3g} to {1e3 * used['most_uj']:.3g} nJ" if used else "",
                f"{row['vectors_equal']:,}" if row["vectors_equal"] else "not built",
                f"`{name}`, {record['shipped_accuracy'][way]:.2%}" if name else "",
            )
        )
    return markdown(rows)


def kernels_alike() -> str:
    """Trainings of binarized convolution networks, before and after their kernels are made alike."""
    rows = [
        ("data", "kernels", "accuracy, three seeds", "kernels made alike", "weights that change from kernel to kernel")
    ]
    for name in ("reuse_train", "reuse_train_cifar10"):
        seeds = record_of(name)["networks"]
        rows.append(
            (
                seeds[0]["dataset"],
                "-".join(str(each) for stage in seeds[0]["stages"] for each in stage),
                *(", ".join(f"{each[f'accuracy_{when}']:.2%}" for each in seeds) for when in ("before", "after")),
                "; ".join(
                    ", ".join(f"{layer:.0%}" for layer in each["changed_before"])
                    + " to "
                    + ", ".join(f"{layer:.0%}" for layer in each["changed_after"])
                    for each in seeds[:1]
                ),
            )
        )
    return markdown(rows)


def _left_out(row: dict, name: str) -> str:
    """Of the operations of plain evaluation, the share that is not among these synapses."""
    return f"{1 - sum(each[name] for each in row['layers']) / row['operations_plain']:.1%}"


def imports() -> str:
    """Other people's networks on a board, or why not."""
    rows = [
        (
            "file",
            "vectors with the answer of its own runtime",
            "accuracy, its own runtime's",
            "board, engine",
            "logic cells",
            "time",
            "netlist against network",
        )
    ]
    for row in record_of("imports")["rows"]:
        if "refused" in row:
            rows.append((f"`{row['name']}`", f"refused: {row['refused']}", *[""] * 5))
            continue
        reference = row["reference_accuracy"]
        of = "" if reference is None else f"{row['accuracy']:.2%}, {reference:.2%}"
        rows.append(
            (
                f"`{row['name']}`",
                f"{row['vectors_equal']:,} of {row['vectors']:,}",
                of,
                f"`{row['board']}`, {row['engine']}",
                f"{row['logic_cells']:,}",
                f"{row['cycles']:,} cycles, {time(row['time_ms'] * 1e6)}",
                f"{row['compared'] - row['mismatches']:,} of {row['compared']:,} equal",
            )
        )
    return markdown(rows)

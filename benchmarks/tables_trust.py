"""The tables of docs/results.md about what is proved, planted, fuzzed and broken."""

from benchmarks.tables import markdown, record_of


def proofs() -> str:
    """Netlists proved equal to their networks."""
    rows = [("network, board", "input bits, all of whose values are covered", "gates", "blocks proved", "seconds")]
    for row in record_of("trust")["proved"]:
        blocks = f"{row['proved']} of {row['blocks']}"
        rows.append(
            (f"{row['network']}, {row['board']}", f"{row['inputs']}", f"{row['gates']:,}", blocks, f"{row['seconds']}")
        )
    return markdown(rows)


def faults() -> str:
    """What became of planted faults, and what of those that matter a build notices."""
    of = record_of("trust")
    price = of["comparison"]
    notices = f"{of['caught_by_these_proofs']} of {of['proofs_of_others']}"
    rows = [
        ("faults planted one at a time", "proved harmless", "refuted", "left open"),
        (
            f"{of['planted_faults']} in {of['faulted']}",
            str(of["proved_harmless"]),
            str(of["refuted"]),
            str(of["open"]),
        ),
        (
            "**of those in the network's logic that matter**",
            "**noticed by samples**",
            "**and by inputs for single neurons**",
            "**by proof, of the rest**",
        ),
        (str(of["harmful_in_core"]), str(of["caught_by_samples"]), str(of["caught_by_vectors"]), notices),
        ("seconds of this comparison", str(price["seconds_of_samples"]), str(price["seconds"]), ""),
    ]
    return markdown(rows)


def bitstreams() -> str:
    """Bitstreams that were read back and run from pin to pin."""
    rows = [("network, board", "device", "samples", "answers that differ", "clock cycles", "seconds")]
    for row in record_of("trust")["bitstreams"]:
        counts = (f"{row['samples']}", f"{row['mismatches']}", f"{row['cycles']:,}", f"{row['seconds']}")
        rows.append((f"{row['network']}, {row['board']}", row["device"], *counts))
    return markdown(rows)

"""What a build reports, as JSON and as a page: each figure where its reader looks for it."""

from dataclasses import replace

import pytest

from logicnn.flow.placement import Placement
from logicnn.flow.report import Bitstream, FlashImage, Report, Timing
from logicnn.resources import Resources
from logicnn.verify.activity import Activity
from logicnn.verify.bitstream import BitstreamVerification
from logicnn.verify.energy import Energy
from logicnn.verify.vectors import Verification

PLAIN = Report(
    name="seven",
    digest="0123456789abcdef",
    board="desk",
    device="iCE40UP5K",
    resources=Resources(lut4=100, logic_cells=132, ff=40, carry=7, bram=2),
    capacity=Resources(lut4=5280, logic_cells=5280, ff=5280, carry=5280, bram=30, dsp=8),
    timing=Timing(14.2, 12.0, 70.44444, 3, 3, 1),
    placement=Placement(4, "router2"),
    verification=Verification(5000, 0, "digits test (359), 4641 random", 0.9554),
    proof=None,
    activity=Activity(
        900,
        {"link": 100.0, "classifier.accelerator.first.a": 600.0, "classifier.accelerator.first.b.c": 300.25},
        course={0: 4.0, 300: 1.0, 600: 3.0},
    ),
    phases=(("input", 100), ("layer 1, BinaryConv2d", 300), ("layer 2, BinaryDense", 500)),
    energy=Energy(0.123456, 1.23456),
    bitstream=Bitstream("build/seven.bin", "ab" * 32, 104_090),
    flash=None,
    from_pins=None,
    estimate=Resources(logic_cells=140),
    warnings=(),
    tools={"yosys": "yosys 0.60", "icepack": "nextpnr 0.8", "nextpnr-ice40": "nextpnr 0.8"},
    seconds={"synthesis": 1.25, "place_route": 2.5},
)


def rows(report: Report) -> list[tuple[str, str]]:
    """Names and values of the page."""
    lines = report.as_text().splitlines()
    width = max(len(line.split("  ")[0]) for line in lines)
    return [(line[:width].rstrip(), line[width + 2 :]) for line in lines]


def test_page():
    assert rows(PLAIN) == [
        ("model", "seven 0123456789ab"),
        ("board", "desk (iCE40UP5K)"),
        ("logic cells", "132 of 5280 (2%), estimated 140"),
        ("LUT4 / FF / carry", "100 / 40 / 7"),
        ("block RAM / DSP", "2 of 30 / 0 of 8"),
        ("core delay", "70.4 ns register to register"),
        ("clock", "12.00 MHz, at most 14.20 MHz"),
        ("placed with", "seed 4, router2"),
        ("latency, interval", "3 and 1 cycles"),
        ("netlist check", "5000 of 5000 vectors equal: digits test (359), 4641 random"),
        ("proof", "none: vectors are samples"),
        ("accuracy", "95.54% of the labelled vectors, by the netlist"),
        ("net changes", "1,000 a sample: first.a 60%, first.b 30%"),
        ("by layer", "input: 120%, layer 1, BinaryConv2d: 30%, layer 2, BinaryDense: 90%"),
        ("energy", "by estimate 0.12 to 1.2 uJ a sample, without what memories and DSP blocks take"),
        ("bitstream check", "none: the netlist was checked"),
        ("bitstream", "build/seven.bin (104090 bytes)"),
        ("time", "synthesis 1.2 s, place route 2.5 s"),
        ("tools", "yosys 0.60, nextpnr 0.8"),
    ]


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        (
            {"energy": Energy(0.0000123, 0.156)},
            "energy",
            "by estimate 0.012 to 160 nJ a sample, without what memories and DSP blocks take",
        ),
        ({"verification": None}, "netlist check", "NOT VERIFIED (--verify none)"),
        ({"verification": None}, "accuracy", "not measured"),
        ({"timing": Timing(14.2, 12.0, None, 0, 0, 1)}, "core delay", "none"),
        ({"timing": Timing(14.2, 12.0, 70.0, 4, 16, 21)}, "latency, interval", "4 to 16 and 21 cycles"),
        ({"placement": Placement(1, "")}, "placed with", "seed 1"),
        (
            {"from_pins": BitstreamVerification(64, 0, 270_815, 1921)},
            "bitstream check",
            "64 of 64 samples equal from pin to pin, 1921 cells",
        ),
        ({"warnings": ("it is dead",)}, "warning", "it is dead"),
        ({"flash": FlashImage("w.bin", "cd" * 32, 34, 0x100000)}, "flash image", "w.bin (34 bytes, to 0x100000)"),
    ],
)
def test_rows(changed, name, value):
    assert (name, value) in rows(replace(PLAIN, **changed))


def test_json():
    """The contract: what is not there is null, or missing where it is a file."""
    made = PLAIN.as_json()
    assert made["model"] == {"name": "seven", "digest": "0123456789abcdef"}
    assert made["resources"]["logic_cells"] == 132 and made["resources"]["capacity"]["dsp"] == 8
    assert made["timing"]["core_delay_ns"] == 70.444 and made["timing"]["latency_least_cycles"] == 3
    assert made["verification"] == {
        "vectors": 5000,
        "mismatches": 0,
        "dataset": "digits test (359), 4641 random",
        "accuracy": 0.9554,
        "directed": 0,
        "layer_nets": 0,
        "layer_bits": 0,
    }
    assert made["activity"] == {
        "cycles": 900,
        "net_changes": 1000.2,
        "by_part": {"first.a": 600.0, "first.b": 300.2},
        "by_layer": {"input": 1200.0, "layer 1, BinaryConv2d": 300.0, "layer 2, BinaryDense": 900.0},
    }
    assert made["bitstream_check"] is None
    checked = replace(PLAIN, from_pins=BitstreamVerification(64, 0, 270_815, 1921)).as_json()
    assert checked["bitstream_check"] == {"samples": 64, "mismatches": 0, "cycles": 270_815, "cells": 1921}
    assert made["energy_estimate"] == {"least_uj": 0.123, "most_uj": 1.23}
    assert "flash" not in made and "activity" not in replace(PLAIN, activity=None, energy=None).as_json()
    bare = replace(PLAIN, verification=None, timing=Timing(14.2, 12.0, None, 0, 0, 1)).as_json()
    unknown = {"vectors": 0, "mismatches": None, "dataset": "not verified", "accuracy": None}
    assert bare["verification"] == unknown | {"directed": 0, "layer_nets": 0, "layer_bits": 0}
    assert bare["timing"]["core_delay_ns"] is None

"""Chains that begin without a feed-in: the same function, evaluated cell by cell, and fewer cells."""

import itertools
import json

import numpy as np
import pytest

from logicnn.netlist.chains import open_chains, opened
from logicnn.netlist.netlist import Netlist

SUM = "1001011010101010"  # what Yosys writes: the sum of A and B, B inverted where C is 1


def netlist(carry, c="0", d="1", table=SUM, inject="NO", bits=4, sums=True):
    """``a + b + carry`` as `bits` / 2 cells."""
    a, b = list(range(2, 2 + bits)), list(range(100, 100 + bits))
    cells = {}
    for place in range(0, bits, 2):
        nets = {f"{word}{half}": [source[place + half]] for half in (0, 1) for word, source in (("A", a), ("B", b))}
        nets |= {"C0": [c], "C1": [c], "D0": [d], "D1": [d], "COUT": [301 + place]}
        nets |= {f"S{half}": [200 + place + half] for half in (0, 1)} if sums else {"S1": [201 + place]}
        nets["CIN"] = [299 + place if place else carry]
        parameters = {"INIT0": table, "INIT1": table, "INJECT1_0": inject, "INJECT1_1": inject}
        cells[f"cell{place}"] = {"type": "CCU2C", "parameters": parameters, "connections": nets}
    names = {"a": a, "b": b, "s": list(range(200, 200 + bits)), "over": [299 + bits]}
    names = {name: {"bits": nets} for name, nets in names.items()}
    return {"modules": {"top": {"attributes": {"top": "1"}, "ports": {}, "cells": cells, "netnames": names}}}


def answers(design, tmp_path, bits):
    """Sums and the carry out for all operands."""
    (tmp_path / "netlist.json").write_text(json.dumps(design))
    read = Netlist(tmp_path / "netlist.json")
    x = np.array(list(itertools.product((0, 1), repeat=2 * bits)), np.uint8)
    packed = np.packbits(np.pad(x, ((0, -len(x) % 64), (0, 0))), axis=0, bitorder="little").T.copy().view(np.uint64)
    nets = read.nets("a") + read.nets("b")
    out = read.nets("s") + read.nets("over")
    found = read.evaluate(dict(zip(nets, packed, strict=True)), out)
    made = np.array([np.unpackbits(row.view(np.uint8), bitorder="little")[: len(x)] for row in found])
    return x @ (1 << np.tile(np.arange(bits), 2) << np.repeat([0, bits], bits)), (1 << np.arange(bits + 1)) @ made, read


@pytest.mark.parametrize(("carry", "c"), list(itertools.product("01", "01")))
@pytest.mark.parametrize("bits", [2, 4])
def test_sums(carry, c, bits, tmp_path):
    """Sums and differences, with a carry and without."""
    design = netlist(carry, c, bits=bits)
    x, made, read = answers(opened(design), tmp_path, bits)
    a, b = x & (1 << bits) - 1, x >> bits
    expected = a + (b ^ (1 << bits) - 1 if c == "1" else b) + (carry == "1")
    np.testing.assert_array_equal(made, expected)
    assert read.logic_cells == bits + 1
    _, before, with_feed_in = answers(design, tmp_path, bits)
    np.testing.assert_array_equal(before, expected)
    assert with_feed_in.logic_cells == bits + 2


def test_twice_is_once():
    once = opened(netlist("0"))
    assert opened(once) == once


def test_sum_bit_that_nobody_reads():
    first = opened(netlist("1", sums=False))["modules"]["top"]["cells"]
    assert [cell["type"] for cell in first.values()] == ["CCU2C", "CCU2C"]
    assert first["cell0"]["connections"]["CIN"] == ["x"] and first["cell2"]["connections"]["CIN"] == [301]


@pytest.mark.parametrize(
    "given",
    [{"carry": 50}, {"carry": "x"}, {"carry": "0", "c": 50}, {"carry": "0", "d": "0"}, {"carry": "0", "inject": "YES"}],
)
def test_others_stay(given):
    """A carry from the fabric, operands that are no constants, cells that break the carry."""
    design = netlist(**given)
    assert opened(design) == design


@pytest.mark.parametrize("seed", range(8))
def test_any_table(seed, tmp_path):
    """Not only sums: whatever the first half cell computes with C and D constant."""
    rng = np.random.default_rng(seed)
    design = netlist(rng.choice(["0", "1"]), rng.choice(["0", "1"]), table=f"{rng.integers(1 << 16):016b}", bits=2)
    _, after, _ = answers(opened(design), tmp_path, 2)
    _, before, _ = answers(design, tmp_path, 2)
    np.testing.assert_array_equal(after, before)


def test_file(tmp_path):
    source, target = tmp_path / "a.json", tmp_path / "b.json"
    source.write_text(json.dumps(netlist("0")))
    open_chains(source, target)
    assert json.loads(target.read_text()) == opened(netlist("0"))

"""A board's netlist clock cycle by clock cycle: from flash image to class, memories and multipliers as cells."""

import json
from dataclasses import replace

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import Mapping, Sparse
from logicnn.engines.sparse.plan import Tile
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.netlist.netlist import Netlist
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.vectors import Vectors
from sim_tests.sparse_helpers import network, plan_of

WHOLE = network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=())
PLAN = plan_of(WHOLE, Tile(2, 2))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 1, 6, 6))


def random(x: np.ndarray) -> Vectors:
    return Vectors(x, np.zeros(0, np.int64), "random")


@pytest.fixture(scope="module")
def synthesised(tmp_path_factory):
    """The design of a small network for the icebreaker, and what Yosys makes of it."""
    folder = tmp_path_factory.mktemp("icebreaker")
    design = designed(Mapping([Sparse(PLAN)]), boards.find("icebreaker"), 115_200)
    sources = elaborated(design)
    for name, data in sources.files.items():
        (folder / name).write_bytes(data)
    tools.run(sources.synthesis, folder, "synthesis.log")
    return design, Netlist(folder / "top.json")


def test_netlist(synthesised):
    """Equal, and in the cycles of the prediction."""
    design, netlist = synthesised
    x, check = images(300), design.check
    assert isinstance(check, CycleCheck) and (design.clock_hz, design.uses_pll) == (24e6, True)
    run = check.run(netlist.path, x)
    checked = check.judged(run, random(x))
    assert checked.vectors == 300 and checked.mismatches == 0
    assert run.loading == design.loading_cycles + 2  # until the lock of the PLL is seen
    assert set(run.cycles.tolist()) == {PLAN.latency}
    changed = x.copy()
    changed[5] = next(each for each in images(100)[6:] if WHOLE.evaluate(each[None]) != run.answers[5])
    with pytest.raises(
        CheckFailed,
        match=(
            r"^the netlist differs from the network on 1 of 300 vectors: vector 5 \(random\) should give \d "
            r"but gives \d$"
        ),
    ):
        check.judged(run, random(changed))
    late = run.cycles.copy()
    late[7] += 1
    with pytest.raises(
        CheckFailed,
        match=rf"^the netlist takes {PLAN.latency + 1} cycles for vector 7, but {PLAN.latency} were predicted$",
    ):
        check.judged(replace(run, cycles=late), random(x))


def test_activity(synthesised):
    """From the first pixel to the class; the same pixels change less than others."""
    design, netlist = synthesised
    check = design.check
    assert isinstance(check, CycleCheck)
    random_, still = (check.activity(netlist, each) for each in (images(64), np.zeros((2, 1, 6, 6), int)))
    assert random_.cycles == still.cycles == 35 + PLAN.latency
    assert random_.total > 1.2 * still.total > 0
    assert "engine0" in random_.by_part(1, "classifier.accelerator")


def test_netlist_of_corrupt_flash(synthesised):
    design, netlist = synthesised
    image = bytearray(design.image)
    image[1] ^= 16
    with pytest.raises(CheckFailed, match=r"^the netlist finds its flash image corrupt$"):
        replace(design.check, image=bytes(image)).run(netlist.path, images(1))


def test_netlist_that_is_too_slow(synthesised):
    """A design that does not load in its time, or does not answer, is an error and no endless simulation."""
    design, netlist = synthesised
    with pytest.raises(CheckFailed, match=r"^the netlist has not loaded its memories in \d+ cycles$"):
        replace(design.check, loading=-900).run(netlist.path, images(1))


def test_inputs_of_another_size(synthesised):
    design, netlist = synthesised
    with pytest.raises(LogicnnError, match=r"^x must have samples of shape \(1, 6, 6\), not \(1, 6, 7\)$"):
        design.check.run(netlist.path, np.zeros((1, 1, 6, 7)))


def test_netlist_has_blocks(synthesised):
    """Two multipliers a DSP block, weights in SPRAM, maps and patterns in block RAM."""
    _, netlist = synthesised
    module = json.loads(netlist.path.read_text())["modules"]["top"]
    kinds = [cell["type"] for cell in module["cells"].values()]
    assert kinds.count("SB_MAC16") == PLAN.tile.multipliers // 2
    assert kinds.count("SB_SPRAM256KA") == -(-PLAN.fields.bits // 16)
    assert kinds.count("SB_PLL40_PAD") == 1

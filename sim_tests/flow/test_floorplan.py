"""Placed cells by part: names and places as nextpnr writes them for both families."""

import json

import pytest

from logicnn.errors import CheckFailed
from logicnn.flow.floorplan import Cell, Floorplan, Parts


def written(path, cells):
    attributes = {name: {"attributes": {"NEXTPNR_BEL": bel} if bel else {}} for name, bel in cells.items()}
    path.write_text(json.dumps({"modules": {"top": {"cells": attributes}}}))
    return path


def test_places(tmp_path):
    path = written(
        tmp_path / "placed.json",
        {
            "sum_LC": "X3/Y4/lc5",
            "sum$CCU2_COMB1": "X5/Y6/SLICEC.K1",
            "classifier.link.tx_SB_DFF_Q_DFFLC": "X1/Y2/lc0",
            "classifier.store.mask.0.0": "X6/Y3/ram",
            "classifier.accelerator.engine0.rows$7.0.0": "X8/Y9/EBR2",
            "register": "X5/Y6/SLICEC.FF1",
            "pin": "X0/Y9/io1",
            "unplaced": "",
        },
    )
    plan = Floorplan.read(path, Parts({"sum": "layer 1"}), "iCE40UP5K")
    assert set(plan.cells) == {
        Cell(3, 4, 5, "layer 1"),
        Cell(5, 6, 5, "layer 1"),
        Cell(1, 2, 0, "serial line"),
        Cell(6, 3, None, "sample store"),
        Cell(8, 9, None, "engine0.rows"),
    }
    assert plan.counts == {"layer 1": 2, "serial line": 1}
    assert (plan.width, plan.height) == (26, 32)


def test_grid_of_an_unknown_device(tmp_path):
    path = written(tmp_path / "placed.json", {"a": "X3/Y14/lc5", "b": "X9/Y1/io0"})
    plan = Floorplan.read(path, Parts(), "another")
    assert (plan.width, plan.height) == (10, 15)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("classifier.link.framer.$signal$5", "serial line"),
        ("classifier.store.bits_SB_DFFE_Q_9", "sample store"),
        ("classifier.accelerator.core.i_SB_DFF_Q", "registers"),
        ("classifier.accelerator.engine0.sums$56.total", "engine0.sums"),
        ("classifier.accelerator.engine1.a.b.c", "engine1.a"),
        ("classifier.accelerator.i__valid", "registers"),
        ("classifier.accelerator.engine2.counted", "Counted"),
        ("classifier.accelerator.engine2.rows$9.total.carry", "Counted.rows"),
        ("led1.o$1_SB_DFFE_Q", "control"),
        ("<script>", "control"),
    ],
)
def test_parts(name, part):
    parts = Parts(engines={"engine2": "Counted"})
    assert parts.of_path(name) == parts.of_cell(f"{name}_LC") == part


def test_figures_by_part():
    """That of a signal with nets in several parts is divided by them."""
    parts = Parts(signals={"led1.o$1_SB_LUT4_O": {"layer 1": 2, "layer 2": 1}})
    changes = {"led1.o$1_SB_LUT4_O": 1.5, "classifier.link.a": 2.0, "classifier.link.b.c": 3.0}
    assert parts.added(changes) == {"layer 1": 1.0, "layer 2": 0.5, "serial line": 5.0}


@pytest.mark.parametrize("text", ["", "{}", '{"modules": {}}', '{"modules": {"top": {"cells": {"a": {}}}}}', "[1]"])
def test_no_placed_design(tmp_path, text):
    path = tmp_path / "placed.json"
    path.write_text(text)
    with pytest.raises(CheckFailed, match=r"^cannot read the placed design .*placed\.json"):
        Floorplan.read(path, Parts(), "iCE40UP5K")
    with pytest.raises(CheckFailed, match="cannot read"):
        Floorplan.read(tmp_path / "none.json", Parts(), "iCE40UP5K")

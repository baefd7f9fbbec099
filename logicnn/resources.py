"""Cost vectors, and the devices that bound them.

The formulas that fill a cost vector before synthesis are in `logicnn.engines`.
"""

from dataclasses import dataclass, fields, replace
from enum import Enum

__all__ = ["DEVICES", "SPRAM_DEPTH", "SPRAM_WIDTH", "Device", "Family", "Resources", "device_of"]

SPRAM_DEPTH, SPRAM_WIDTH = 1 << 14, 16  # of a single-port block of iCE40 UltraPlus (FPGA-TN-02022)


@dataclass(frozen=True)
class Resources:
    """A cost vector: an estimate, a budget or a measurement. `logic_cells` counts places: a LUT4 with its flip-flop and
    carry.
    """

    lut4: int = 0
    logic_cells: int = 0
    ff: int = 0
    carry: int = 0
    bram: int = 0
    dsp: int = 0
    spram: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __le__(self, other: "Resources") -> bool:
        return all(getattr(self, each.name) <= getattr(other, each.name) for each in fields(self))


class Family(Enum):
    ICE40 = "ice40"
    ECP5 = "ecp5"


@dataclass(frozen=True)
class Device:
    """An FPGA: its size; the delay of one LUT4 level with its route, of a carry chain (`chain_ns` with the route to it,
    `carry_ns` a bit), and of a register (clock to Q and setup).

    `stage_ns` is what a pipeline stage inside logic costs: the register, the route into a cell of its own, and what the
    slowest of many paths takes beyond their mean. Sums of up to `lut_sum_bits` become LUTs by synthesis, which take
    `lut_sum_ns` (and `carry_ns` a bit). `separate_ff` where a flip-flop can be used without its LUT; `bram_bits` of one
    block RAM.
    """

    name: str
    family: Family
    capacity: Resources
    level_ns: float
    chain_ns: float
    carry_ns: float
    register_ns: float
    stage_ns: float
    lut_sum_bits: int
    lut_sum_ns: float
    separate_ff: bool
    bram_bits: int
    bram_shapes: tuple[tuple[int, int], ...]  # (depth, width) of the modes of a block

    @property
    def multipliers(self) -> int:
        """Products of 8-bit words a cycle in DSP blocks: two in a block of iCE40 UltraPlus, one in a multiplier of
        ECP5.
        """
        return self.capacity.dsp * (2 if self.family is Family.ICE40 else 1)

    def brams(self, depth: int, width: int) -> int:
        """Block RAMs of a memory, in the mode that takes the fewest."""
        return min(-(-depth // deep) * -(-width // wide) for deep, wide in self.bram_shapes)

    @property
    def memory_bits(self) -> int:
        """The bits of all RAM blocks."""
        return self.capacity.bram * self.bram_bits + self.capacity.spram * SPRAM_DEPTH * SPRAM_WIDTH

    def sum_cells(self, bits: int) -> int:
        """Logic cells of a sum of so many bits: a LUT each, or on ECP5 slices of two bits in a chain, and a LUT beside
        its first.
        """
        if self.family is Family.ICE40 or bits <= self.lut_sum_bits:
            return bits
        return 2 * -(-bits // 2) + 1


# Delays, as nextpnr places: those of the UP5K are fitted to the ladders of benchmarks/calibrate.py, and rounded. On the
# HX8K and the 85F the ladders are short of what whole networks take, whose routes are longer: `register_ns` of the HX8K
# and `level_ns` of both are above theirs, so that networks of several thousand cells are estimated at about what they
# take (benchmarks/results/payra.json: 0.6 to 1.2 of it; small ones at up to 1.8). `carry_ns` of the ECP5 is half of its
# carry slice's 0.071 ns from FCI to FCO (Project Trellis, speed grade 6). `stage_ns`, and with it `chain_ns` and
# `lut_sum_ns`, are fitted to networks of benchmarks/retiming.py; `stage_ns` of the UP5K, where none of them fits, is
# the HX8K's times 2.5, as its other delays are.
_ICE40 = Device(
    "iCE40HX8K",
    Family.ICE40,
    Resources(lut4=7680, logic_cells=7680, ff=7680, carry=7680, bram=32),
    level_ns=1.3,
    chain_ns=1.2,
    carry_ns=0.14,
    register_ns=1.0,
    stage_ns=4.0,
    lut_sum_bits=2,
    lut_sum_ns=1.3,
    separate_ff=False,
    bram_bits=4096,
    bram_shapes=((256, 16), (512, 8), (1024, 4), (2048, 2)),
)
_ULTRA = replace(
    _ICE40,
    name="iCE40UP5K",
    capacity=Resources(lut4=5280, logic_cells=5280, ff=5280, carry=5280, bram=30, dsp=8, spram=4),
    level_ns=3.0,
    chain_ns=3.9,
    carry_ns=0.3,
    register_ns=2.6,
    stage_ns=10.0,
    lut_sum_ns=3.0,
)
_ECP5 = Device(
    "LFE5U-85F",
    Family.ECP5,
    Resources(lut4=83640, logic_cells=83640, ff=83640, carry=41820, bram=208, dsp=156),
    level_ns=1.1,
    chain_ns=1.6,
    carry_ns=0.036,
    register_ns=1.0,
    stage_ns=2.1,
    lut_sum_bits=4,
    lut_sum_ns=0.5,
    separate_ff=True,
    bram_bits=16384,
    bram_shapes=((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
)


def _slower(device: Device, name: str, factor: float) -> Device:
    """Of the same kind, with all delays so many times as long."""
    delays = ("level_ns", "chain_ns", "carry_ns", "register_ns", "stage_ns", "lut_sum_ns")
    return replace(device, name=name, **{each: round(getattr(device, each) * factor, 3) for each in delays})


def _sized(device: Device, name: str, cells: int, bram: int, dsp: int = 0) -> Device:
    """Of the same kind, smaller."""
    carry = cells if device.family is Family.ICE40 else cells // 2
    return replace(device, name=name, capacity=Resources(cells, cells, cells, carry, bram, dsp))


# As large as nextpnr places them: the 4K parts, the UP3K and the 12F are the next larger part's dies, of which Lattice
# promises less (data sheets FPGA-DS-02029, FPGA-DS-02008, FPGA-DS-02012). Delays of ECP5 are those of speed grade 6.
_SIZES = ((12, 24288, 56, 28), (25, 24288, 56, 28), (45, 43848, 108, 72), (85, 83640, 208, 156))  # of ECP5
_LP = _slower(_ICE40, "iCE40LP8K", 1.55)
DEVICES = {
    device.name: device
    for device in (
        _ULTRA,
        replace(_ULTRA, name="iCE40UP3K"),
        _ICE40,
        replace(_ICE40, name="iCE40HX4K"),
        _sized(_ICE40, "iCE40HX1K", 1280, 16),
        _LP,
        replace(_LP, name="iCE40LP4K"),
        _sized(_LP, "iCE40LP1K", 1280, 16),
        *(
            _sized(_ECP5, f"LFE5{kind}-{size}F", cells, bram, dsp)
            for kind, sizes in (("U", (12, 25, 45, 85)), ("UM", (25, 45, 85)), ("UM5G", (25, 45, 85)))
            for size, cells, bram, dsp in _SIZES
            if size in sizes
        ),
    )
}


def device_of(platform: object) -> Device | None:
    """The device of an Amaranth platform; None in simulation and for others."""
    return DEVICES.get(getattr(platform, "device", ""))

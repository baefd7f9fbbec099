"""What a whole board's design takes, and whether a device has that."""

from logicnn.engines.engine import Io
from logicnn.engines.mapping import Mapping
from logicnn.resources import Device, Resources

__all__ = ["STORED", "board_estimate", "fits"]

# What a board's design takes beside its engines: the serial link and the result, and what stores a sample, without mask
# and stored bits; or what feeds values, and loads memories.
STORED = Resources(lut4=410, logic_cells=420, ff=190, carry=60, bram=1)
FED = Resources(lut4=520, logic_cells=640, ff=400, carry=170, bram=1)


def board_estimate(mapping: Mapping, device: Device) -> Resources:
    """A whole board's design. Each stored input bit is a flip-flop that no LUT precedes, and so a logic cell of its
    own.
    """
    if mapping.input_io is Io.SERIAL:
        return mapping.cost(device) + FED
    stored = len(mapping.network.read_inputs())
    mask = -(-mapping.network.core_bits // device.bram_bits)
    return (
        mapping.cost(device) + STORED + Resources(logic_cells=0 if device.separate_ff else stored, ff=stored, bram=mask)
    )


def fits(mapping: Mapping, device: Device) -> bool:
    """Whether a device has all of it, by the estimate."""
    needed, room = board_estimate(mapping, device), device.capacity
    return all(getattr(needed, name) <= getattr(room, name) for name in ("logic_cells", "bram", "dsp", "spram"))

"""How engines become gateware: each registers here, from its own file in this folder, what it is.

Feed-forward engines are logic that `put` adds to a module; all others are components with streams, which `streamed`
makes.
"""

from functools import singledispatch

from amaranth import *
from amaranth.lib import data, wiring

from logicnn.board.flash import PIECE_BITS
from logicnn.engines import Engine

__all__ = ["load_layout", "put", "streamed"]


@singledispatch
def put(engine: Engine, m: Module, value: Value) -> Value:
    """Adds a feed-forward engine to a module: what it gives, shaped as `port_shape` says, for a `value` of its input's
    shape.

    Registers inside are the engine's, in the domain `sync`; those at its end (`FeedForward.register`) are added by the
    caller.
    """
    raise TypeError(
        f"{type(engine).__name__} has no gateware: its file in logicnn.gateware must register it with `put` or "
        f"`streamed`"
    )


@singledispatch
def streamed(engine: Engine, loaded: bool) -> wiring.Component:
    """The component of an engine with streams `i` and `o`, of whole samples or of their values as its interface says.

    With `loaded` it has a memory that comes over `load`, a stream of `load_layout` that is always ready, before any
    sample; else what its memory holds is there from the start. With values one by one it also has `clear`, which drops
    an unfinished sample.
    """
    raise TypeError(
        f"{type(engine).__name__} has no gateware: its file in logicnn.gateware must register it with `put` or "
        f"`streamed`"
    )


def load_layout(pieces: int) -> data.StructLayout:
    """A piece of a memory's image, the lowest of a word first, and its number."""
    return data.StructLayout({"data": PIECE_BITS, "address": range(pieces)})

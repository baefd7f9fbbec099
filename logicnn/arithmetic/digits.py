"""Signed digits of integers, and patterns of two of them: what `logicnn.arithmetic.pairs` counts. All compiled.

An integer has several representations by signed digits -1, 0, +1. The canonical one has no two neighbours that are both
non-zero; no other has fewer non-zero digits, but some have as few (minimal signed digits; Park and Kang, DAC 2001):
3 is 4 - 1 and 2 + 1. A set of digits is a pair of masks, where bit s stands for ``+2**s`` and for ``-2**s``.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from logicnn.arithmetic.compiled import leaf

__all__ = ["key_of", "lowest", "masks", "ones", "unpacked", "weight", "width"]

INDEX_BITS = 24
DISTANCE_BITS = 7
FAR = 1 << DISTANCE_BITS - 1


@intrinsic
def _ctpop(typing, value):
    return types.int64(types.int64), lambda context, builder, signature, args: builder.ctpop(args[0])


@intrinsic
def _cttz(typing, value):
    return types.int64(types.int64), lambda context, builder, signature, args: builder.cttz(
        args[0], ir.Constant(ir.IntType(1), 1)
    )


@leaf
def ones(value):
    """How many bits are set: one instruction."""
    return _ctpop(value)  # pyright: ignore[reportCallIssue]  # compiled code leaves out the first argument


@leaf
def lowest(value):
    """The place of the lowest bit that is set; `value` must not be 0."""
    return _cttz(value)  # pyright: ignore[reportCallIssue]


@leaf
def weight(value):
    """Non-zero digits of a value, the fewest that there are."""
    value = abs(value)
    return ones(value ^ 3 * value)


@leaf
def masks(value, minimal):
    """The digits of a value: of its canonical representation, or with `minimal` those of every one with as few."""
    size = abs(value)
    triple = 3 * size
    plus, minus = (triple & ~size) >> 1, (size & ~triple) >> 1
    if minimal and size & size - 1:
        fewer = weight(size) - 1
        shift = 0
        while 1 << shift <= 2 * size:
            if weight(size - (1 << shift)) == fewer:
                plus |= 1 << shift
            if weight(size + (1 << shift)) == fewer:
                minus |= 1 << shift
            shift += 1
    if value < 0:
        return minus, plus
    return plus, minus


@leaf
def key_of(first, second, distance, opposite, kind):
    """A pattern as one integer: two digits of one line, that of `second` standing `distance` above that of `first`,
    with the `opposite` sign or the same.

    `kind` is what the lines are: in ROWS it is a sum of two columns, in COLUMNS one for two rows. `first` is the lower
    index, of equal ones the lower digit.
    """
    if first > second or (first == second and distance < 0):
        first, second, distance = second, first, -distance
    return ((first << INDEX_BITS | second) << DISTANCE_BITS | distance + FAR) << 2 | opposite << 1 | kind


@leaf
def unpacked(key):
    """`first`, `second`, `distance`, `opposite` and `kind` of a pattern."""
    indices = key >> 2 + DISTANCE_BITS
    distance = (key >> 2 & (1 << DISTANCE_BITS) - 1) - FAR
    return indices >> INDEX_BITS, indices & (1 << INDEX_BITS) - 1, distance, key >> 1 & 1, key & 1


@leaf
def width(low, high):
    """Bits of the narrowest word that holds a range: `Interval.width`, compiled."""
    top, bits = high, 0
    if low < 0:
        top, bits = max(-1 - low, high), 1
    while top > 0:  # a range that does not fit into 64 bits must not keep the search from ending
        top >>= 1
        bits += 1
    return bits

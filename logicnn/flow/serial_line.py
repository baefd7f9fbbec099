"""Bytes on a serial line, bit by bit, in Amaranth's simulator: start, eight bits of data, the lowest first, stop."""

from typing import Any

from logicnn.errors import CheckFailed

__all__ = ["levels", "receive"]


def levels(byte: int) -> tuple[int, ...]:
    """The levels of a byte on the line."""
    return (0, *(byte >> place & 1 for place in range(8)), 1)


async def receive(ctx: Any, line: Any, stop: Any, divisor: int) -> int | None:
    """The next byte, in a testbench, on a line of `divisor` cycles a bit, or None where `stop` goes up before.

    Raises `CheckFailed` for a byte without its stop bit.
    """
    await ctx.tick().until(~line | stop)
    if ctx.get(line):
        return None
    await ctx.tick().repeat(divisor + divisor // 2 - 1)
    byte = 0
    for place in range(8):
        byte |= ctx.get(line) << place
        await ctx.tick().repeat(divisor)
    if not ctx.get(line):
        raise CheckFailed(f"the byte {byte:#04x} has no stop bit")
    return byte

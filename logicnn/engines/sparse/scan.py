"""Where feature maps lie in memory, and the order in which a window scans them.

Maps lie in as many banks as a window has rows, word `a` of a map in bank ``a mod side`` at ``a // side``: with a pitch
that is 1 modulo `side`, the words of a row or of a column of a window are in different banks. A window goes by single
steps, so that each takes one row or column of words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Map", "Move", "map_of", "scan"]


class Move:
    """Where a window goes: its origin by one column or row; the numbers are those of the scan orders' memory."""

    RIGHT, LEFT, DOWN, UP = range(4)


def scan(rows: int, columns: int, pool: int) -> Iterator[tuple[int, int, int]]:
    """(move to a position, whether it ends a block and how the block's place moves then: 0 no end, else 1 + `Move`) of
    every position.

    Blocks of ``pool * pool`` positions, `rows` x `columns` of them in a boustrophedon; in a block of four round three
    sides of it. From position to position is one step, always: a strip that goes right enters its blocks at the top
    left and leaves them at the top right, one that goes left enters at the bottom right and leaves at the bottom left,
    and the block at which the scan goes down is left at its bottom left by either. The third of each triple is the
    position's number in its block.
    """
    inside = {1: ((), ()), 2: ((Move.DOWN, Move.RIGHT, Move.UP), (Move.UP, Move.LEFT, Move.DOWN))}
    turn = (Move.RIGHT, Move.DOWN, Move.LEFT)
    arrive = Move.RIGHT
    for row in range(rows):
        goes_left = row % 2
        along = Move.LEFT if goes_left else Move.RIGHT
        for column in range(columns):
            last = column == columns - 1
            steps = inside[pool][goes_left]
            if pool == 2 and (column == 0 if goes_left else last):
                steps = turn
            leave = Move.DOWN if last else along
            for number, move in enumerate((arrive, *steps)):
                yield move, 1 + leave if number == pool * pool - 1 else 0, number
            arrive = leave


@dataclass(frozen=True)
class Map:
    """Where activations lie: word (channel, y, x) at ``base * side + channel * stride + y * pitch + x``; `words` of
    each bank.
    """

    base: int
    pitch: int
    stride: int
    words: int


def map_of(shape: tuple[int, ...], conv: bool, side: int, base: int) -> Map:
    """Where activations of a shape lie for a convolution, or in order for a dense layer."""
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
    pitch = width + (1 - width) % side if conv else width
    stride = -(-height * pitch // side) * side if conv else height * pitch
    words = (
        -(-channels * stride // side) if conv else -(-channels * stride // side**2) * side
    )  # a dense layer reads whole windows
    return Map(base, pitch, stride, words)

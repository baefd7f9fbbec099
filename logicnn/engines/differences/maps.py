"""Where bits of images lie in the memory that all lanes read at once."""

from dataclasses import dataclass

from logicnn.engines.engine import MappingError

__all__ = ["Map", "rows_of"]


def rows_of(lanes: int, segments: int, width: int, padding: int, name: str) -> int:
    """How many rows of an image lanes take at a time: a power of two, with a column of zeros between two where there is
    padding. Raises `MappingError` where not even one fits.
    """
    rows = segments
    while rows and lanes // rows < width + padding:
        rows //= 2
    if not rows:
        raise MappingError(f"lanes must be at least {width + padding}, as wide as {name} with its padding, not {lanes}")
    return rows


@dataclass(frozen=True)
class Map:
    """An image of bits (channels, height, width) from `base` on. A word has `rows` rows, each in a segment of `pitch`
    bits; row y is in the segment ``y % rows`` of the channel's word ``y // rows``. So `segments` memories side by side,
    each with an address of its own, give any `rows` rows that follow each other in one cycle.

    Rows above and below the image, as far as the `padding` reaches, are there and zero: those below a channel are those
    above the next.
    """

    channels: int
    height: int
    width: int
    padding: int
    lanes: int
    rows: int
    base: int

    @property
    def pitch(self) -> int:
        return self.lanes // self.rows

    @property
    def blocks(self) -> int:
        """Words of a channel."""
        return -(-(self.height + self.padding) // self.rows)

    @property
    def first(self) -> int:
        """The word of channel 0 with row 0."""
        return self.base + (self.padding > 0)

    @property
    def stop(self) -> int:
        return self.first + self.channels * self.blocks

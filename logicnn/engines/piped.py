"""Logic with registers inside, after at most so many LUTs: for layers one after the other, a sample a cycle at a clock
that no path through a whole layer would allow.

What `logicnn.bits` makes of bits it makes of these, too, which know in which cycle they are there and how many LUTs
after a register: they meet in the same cycle, since those that are early wait in registers.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import count
from typing import Any

from logicnn import bits
from logicnn.engines.engine import FeedForward, MappingError
from logicnn.engines.layer_bits import Word, has_bits, words_of
from logicnn.resources import Device, Resources

__all__ = ["Piped", "Pipeline", "Timed", "outputs_of"]

PAIRED = 16  # words of which the greatest is found by all pairs: in half the levels, by LUTs that grow with the square


class Timed:
    """Bits of a pipeline, in any reading of `logicnn.bits`: a bit that is bound, which has a value, a cycle (`stage`,
    None of a constant) and so many `levels` of LUTs between it and the last register; or an expression of such
    `leaves`, which is made when it is bound, for only then it is known in which cycle all of them are there.
    """

    __slots__ = ("_late", "leaves", "levels", "make", "pipeline", "stage", "value")

    def __init__(self, pipeline: "Pipeline", value: Any, stage: int | None, levels: int):
        self.pipeline, self.value, self.stage, self.levels = pipeline, value, stage, levels
        self.leaves: dict[Timed, None] = {self: None}
        self.make: Callable[[Callable[[Timed], Any]], Any] = lambda get: get(self)
        self._late: Timed | None = None

    @classmethod
    def _of(cls, parts: Sequence["Timed"], make: Callable[[Callable[["Timed"], Any]], Any]) -> "Timed":
        made = cls(parts[0].pipeline, None, None, 0)
        made.leaves = {leaf: None for part in parts for leaf in part.leaves}
        made.make = make
        return made

    @property
    def is_bound(self) -> bool:
        return self in self.leaves

    def at(self, stage: int) -> "Timed":
        """The same bound bit in a later cycle, through as many registers."""
        found = self
        while found.stage is not None and found.stage < stage:
            if found._late is None:
                found._late = Timed(found.pipeline, found.pipeline.register(found.value), found.stage + 1, 0)
            found = found._late
        return found

    def __and__(self, other: "Timed") -> "Timed":
        return self._of([self, other], lambda get: self.make(get) & other.make(get))

    def __or__(self, other: "Timed") -> "Timed":
        return self._of([self, other], lambda get: self.make(get) | other.make(get))

    def __xor__(self, other: "Timed") -> "Timed":
        return self._of([self, other], lambda get: self.make(get) ^ other.make(get))

    def __invert__(self) -> "Timed":
        return self._of([self], lambda get: ~self.make(get))


class Pipeline:
    """A reading of `logicnn.bits` by way of another one, `inner`: a bit that is bound is a LUT, or as many levels of
    LUTs as so many bits need, and what would be more than `levels` behind a register waits for the next one.
    """

    def __init__(self, levels: int, inner: bits.Wire, register: Callable[[Any], Any]):
        self._levels, self._inner, self.register = levels, inner, register
        self.wire = bits.Wire(self._bound, Timed(self, inner.zero, None, 0))

    def _bound(self, bit: Timed) -> Timed:
        there = [(leaf.stage, leaf.levels) for leaf in bit.leaves if leaf.stage is not None]
        if not there:
            return Timed(self, self._inner(bit.make(lambda leaf: leaf.value)), None, 0)
        stage, before = max(there)
        more = next(level for level in count(1) if 4**level >= len(there))
        if before and before + more > self._levels:
            stage, before = stage + 1, 0
        return Timed(self, self._inner(bit.make(lambda leaf: leaf.at(stage).value)), stage, before + more)

    def given(self, values: Sequence[Any]) -> list[Timed]:
        """What is there at first."""
        return [Timed(self, value, 0, 0) for value in values]

    def together(self, made: Sequence[Timed]) -> tuple[list[Any], int]:
        """The values of bits in the first cycle in which all are there, each out of a register, and which it is."""
        bound = [each if each.is_bound else self._bound(each) for each in made]
        last = max((each.stage + (each.levels > 0) for each in bound if each.stage is not None), default=0)
        return [each.at(max(1, last)).value for each in bound], max(1, last)


class _Net:
    """A reading of bits that only knows what each is made of, to count what is read in the end."""

    __slots__ = ("kind", "made_of")

    def __init__(self, *made_of: "_Net", kind: str = ""):
        self.made_of, self.kind = made_of, kind

    def __and__(self, other: "_Net") -> "_Net":
        return _Net(self, other)

    __or__ = __xor__ = __and__

    def __invert__(self) -> "_Net":
        return _Net(self)

    @staticmethod
    def counted(nets: Sequence["_Net"]) -> Counter[str]:
        """How many of each kind some nets need."""
        seen, left = {*nets}, [*{*nets}]
        while left:
            new = {*left.pop().made_of} - seen
            seen |= new
            left += new
        return Counter(each.kind for each in seen)


def outputs_of(engine: "Piped", pipeline: Pipeline, values: Sequence[Any]) -> tuple[list[Any], int]:
    """The bits of an engine's outputs from those of its inputs, and how many cycles later."""
    activations = engine.network.activations[engine.start :]
    width = activations[0].interval.word
    made = pipeline.given(values)
    words: list[Word] = [made[at : at + width] for at in range(0, len(made), width)]
    for layer, given, gives in zip(engine.layers, activations, activations[1:], strict=False):
        if not layer.reshapes:
            words = words_of(layer, given, pipeline.wire, words, gives.interval.word, PAIRED)
    return pipeline.together([bit for word in words for bit in word])


@dataclass(frozen=True, eq=False)
class Piped(FeedForward):
    """All layers from one on, with registers after every so many `levels` of LUTs, and at the end."""

    _: KW_ONLY
    levels: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels < 1:
            raise MappingError(f"levels must be 1 at least, not {self.levels}")
        if self.register:
            raise MappingError("register must be left out: the outputs of Piped are out of registers")
        for index, layer in enumerate(self.layers, self.start):
            if not layer.reshapes and not has_bits(layer):
                raise MappingError(f"layer {index}, of type {type(layer).__name__}, cannot be cut by registers")

    @property
    def span(self) -> int:
        return len(self.network.layers) - self.start

    @cached_property
    def _made(self) -> tuple[Counter[str], int]:
        """LUTs and registers, and cycles."""
        inner = bits.Wire(lambda net: _Net(net, kind="lut"), _Net())
        pipeline = Pipeline(
            self.levels, inner, lambda net: _Net(net, kind="register" if net.kind == "lut" else "waiting")
        )
        made, cycles = outputs_of(self, pipeline, [_Net() for _ in range(self.given.size * self.given.interval.word)])
        return _Net.counted(made), cycles

    @property
    def stages(self) -> int:
        return self._made[1]

    @property
    def registered(self) -> bool:
        return True

    def logic(self, device: Device) -> Resources:
        """Each register behind a LUT of its own shares its cell; those in which bits wait have cells of their own."""
        luts, registers = self._made[0]["lut"], self._made[0]["register"]
        waiting = 0 if device.separate_ff else self._made[0]["waiting"]
        return Resources(lut4=luts, logic_cells=luts + waiting, ff=registers + self._made[0]["waiting"])

    def delay_ns(self, device: Device) -> float:
        return device.level_ns * self.levels

    @property
    def restructured(self) -> bool:
        return False

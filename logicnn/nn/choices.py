"""What may be varied of a kind of networks, and within which limits: what a search draws from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from logicnn.errors import LogicnnError

__all__ = ["Choice", "Chosen", "Number", "Option", "starts"]


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`, a whole one where all three are; with `log` it is drawn by factors instead of
    differences. With all else by default, those of `also` are tried, too, before anything is drawn.
    """

    low: float
    high: float
    default: float
    log: bool = False
    also: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for value in self.also:
            if not self.low <= value <= self.high:
                raise LogicnnError(f"also must lie in {self.low:g} ... {self.high:g}, not {value:g}")
        if not self.low <= self.default <= self.high or (self.log and self.low <= 0):
            raise LogicnnError(f"default must lie in {self.low:g} ... {self.high:g}, not {self.default:g}")

    @property
    def whole(self) -> bool:
        return all(isinstance(each, int) for each in (self.low, self.high, self.default))


@dataclass(frozen=True)
class Option:
    """One of a few whole numbers."""

    values: tuple[int, ...]
    default: int

    def __post_init__(self) -> None:
        if self.default not in self.values:
            raise LogicnnError(f"default must be one of {', '.join(map(str, self.values))}, not {self.default}")


Choice: TypeAlias = Number | Option
Chosen: TypeAlias = dict[str, float]  # by the names of choices


def starts(choices: Mapping[str, Choice]) -> list[Chosen]:
    """What is tried before anything is drawn: the defaults first."""
    first = {name: choice.default for name, choice in choices.items()}
    numbers = {name: choice for name, choice in choices.items() if isinstance(choice, Number)}
    return [first, *(first | {name: value} for name, choice in numbers.items() for value in choice.also)]

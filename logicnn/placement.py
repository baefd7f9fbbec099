"""Place and route: which of nextpnr's routers, with which seed, and when one of them will not settle.

For unrolled logic on 85 % of a UP5K router1 needs 340 s, router2 17 s for 10 % more delay. But router2 may pass the same few wires back and
forth for ever, in a design of any size, and does so with most seeds on a convolution engine, whose words go to many selectors on full
routes. There router1 settles, and leaves shorter routes. Both may fail with one seed and be done in seconds with the next.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logicnn.resources import Family

__all__ = ["LOG", "Placement", "attempts", "placed_by", "stuck"]

LOG = "top.tim"  # what nextpnr writes, line by line
PROGRESS = (  # what is left to do, in lines of each router's log
    re.compile(r"iter=\d+ wires=\d+ overused=(\d+)"),
    re.compile(r"Info: +\d+ \| +\d+ +\d+ \| +\d+ +\d+ \| +(\d+)\|"),
)
PATIENCE = (300, 30)  # such lines that may bring no progress: iterations of router2, thousands of them of router1
SEEDS = 4  # that are tried
# Of 1, 2 and 3 those that route `mnist-bnn` (logic) and `lenet5-ikr` (an engine) on a UP5K soonest.
LOGIC_SEED, ENGINE_SEED = 3, 1


@dataclass(frozen=True)
class Placement:
    """A seed, and the router; "" is nextpnr's default for the family."""

    seed: int
    router: str

    @property
    def options(self) -> str:
        """For nextpnr."""
        router = f"--router {self.router} " if self.router else ""
        return f"{router}--report timing.json --detailed-timing-report --timing-allow-fail --seed {self.seed}"


def attempts(family: Family, seed: int | None, *, engine: bool) -> list[Placement]:
    """What to try, one after another, from a seed on; `engine` for a convolution engine, whose first seed is another by default."""
    first = seed if seed is not None else ENGINE_SEED if engine else LOGIC_SEED
    router = "" if family is not Family.ICE40 else "router1" if engine else "router2"
    return [Placement(each, router) for each in range(first, first + SEEDS)]


def placed_by(command: Sequence[str], placement: Placement) -> list[str]:
    """A command of nextpnr with the seed of another attempt."""
    command = list(command)
    command[command.index("--seed") + 1] = str(placement.seed)
    return command


def stuck(folder: Path) -> bool:
    """Whether a router, by its log so far, has at any time made no progress for long: the same answer for the same log."""
    try:
        log = (folder / LOG).read_text(errors="replace")
    except OSError:
        return False
    return any(_stands_still(list(map(int, left.findall(log))), patience) for left, patience in zip(PROGRESS, PATIENCE, strict=True))


def _stands_still(left: Sequence[int], patience: int) -> bool:
    best, since = None, 0
    for each in left:
        best, since = (each, 0) if best is None or each < best else (best, since + 1)
        if since >= patience:
            return True
    return False

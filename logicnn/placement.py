"""Place and route: which of nextpnr's routers, with which seed, and when one of them will not settle.

For unrolled logic on 85 % of a UP5K router1 needs 340 s, router2 17 s for 10 % more delay. But router2 may pass the same few wires back and
forth for ever, in a design of any size, and does so with most seeds on a convolution engine, whose words go to many selectors on full
routes. There router1 settles, and leaves shorter routes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logicnn.resources import Family

__all__ = ["LOG", "Placement", "attempts", "routed_by", "stuck"]

LOG = "top.tim"  # what nextpnr writes, line by line
ITERATION = re.compile(r"iter=\d+ wires=\d+ overused=(\d+)")
PATIENCE = 300  # iterations of router2 that may bring no progress
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
    """What to try, one after another; `engine` for a convolution engine, whose seed is another where none is given."""
    wanted = seed if seed is not None else ENGINE_SEED if engine else LOGIC_SEED
    if family is not Family.ICE40:
        return [Placement(wanted, "")]
    return [Placement(wanted, router) for router in (["router1"] if engine else ["router2", "router1"])]


def routed_by(command: Sequence[str], placement: Placement) -> list[str]:
    """A command of nextpnr with the router of another attempt."""
    command = list(command)
    command[command.index("--router") + 1] = placement.router
    return command


def stuck(folder: Path) -> bool:
    """Whether router2, by its log so far, has at any time made no progress for `PATIENCE` iterations: the same answer for the same log."""
    try:
        overused = [int(each) for each in ITERATION.findall((folder / LOG).read_text(errors="replace"))]
    except OSError:
        return False
    best, since = None, 0
    for each in overused:
        best, since = (each, 0) if best is None or each < best else (best, since + 1)
        if since >= PATIENCE:
            return True
    return False

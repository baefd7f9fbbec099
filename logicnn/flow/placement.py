"""Place and route: which of nextpnr's routers, with which seed, and when one of them will not settle.

For unrolled logic on most of a UP5K router1 needs many times as long as router2, whose routes are somewhat slower. But
router2 may pass the same few wires back and forth for ever, in a design of any size, and does so with most seeds on a
convolution engine, whose words go to many selectors on full routes. There router1 settles, and leaves shorter routes.
Both may fail with one seed and be done in seconds with the next.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logicnn.engines.engine import DENSITY
from logicnn.resources import Family
from logicnn.storage import replace_file

__all__ = ["LOG", "REPORT", "Placement", "attempts", "stuck", "tuned"]

LOG = "top.tim"  # what nextpnr writes, line by line
PROGRESS = (  # what is left to do, in lines of each router's log
    re.compile(r"iter=\d+ wires=\d+ overused=(\d+)"),
    re.compile(r"Info: +\d+ \| +\d+ +\d+ \| +\d+ +\d+ \| +(\d+)\|"),
)
PATIENCE = (300, 30)  # such lines that may bring no progress: iterations of router2, thousands of them of router1
SEEDS = 4  # that are tried
FIRST_SEED = 1
# Where logic takes nearly all cells of a UP5K, as `mnist-bnn` does, router2 settles with most seeds by these values,
# with few by nextpnr's own. By the options nextpnr draws cells together more slowly and less by delay: wires are
# shorter, the clock is no slower. The settings let wires go farther round, and raise the cost of those that several
# nets wanted before; where cells lie apart, so that there are ways round, the raised cost drives routes in circles.
ICE40_OPTIONS = "--placer-heap-alpha", "0.05", "--placer-heap-timingweight", "2"
ROUTER2_SETTINGS = {"bbMargin/x": 12, "bbMargin/y": 12}
DENSE_SETTINGS = {"histCongWeight": 4.0}
TUNED = "tuned.json"
REPORT = "timing.json"


@dataclass(frozen=True)
class Placement:
    """A seed, the router for iCE40 ("" is nextpnr's default for other families), and how much of the cells of a region
    may be used, at most.
    """

    seed: int
    router: str
    density: float = DENSITY

    @property
    def options(self) -> tuple[str, ...]:
        """The command of nextpnr."""
        options = ["--router", self.router, *ICE40_OPTIONS] if self.router else []
        if self.density != DENSITY:
            options += ["--placer-heap-beta", str(self.density)]
        return *options, "--report", REPORT, "--detailed-timing-report", "--timing-allow-fail", "--seed", str(self.seed)

    def command(self, base: Sequence[str], netlist: str) -> tuple[str, ...]:
        """The command of nextpnr for a netlist; `base` is what does not depend on the attempt."""
        return *base, "--json", netlist, *self.options


def attempts(family: Family, seed: int | None, *, crowded: bool, density: float = DENSITY) -> list[Placement]:
    """What to try, one after another, from a seed on; `crowded` for designs whose words go to many places, `density`
    as much of a region's cells as may be used.
    """
    first = FIRST_SEED if seed is None else seed
    router = "" if family is not Family.ICE40 else "router1" if crowded else "router2"
    return [Placement(each, router, density) for each in range(first, first + SEEDS)]


def tuned(folder: Path, netlist: str, placement: Placement) -> str:
    """The netlist in a folder with an attempt's settings, which nextpnr takes from there alone; returns the file's
    name.
    """
    if placement.router != "router2":
        return netlist
    design = json.loads((folder / netlist).read_bytes())
    chosen = ROUTER2_SETTINGS | (DENSE_SETTINGS if placement.density >= DENSITY else {})
    settings = {
        f"router2/{name}": f"{value:032b}" if isinstance(value, int) else str(value) for name, value in chosen.items()
    }
    (top,) = (module for module in design["modules"].values() if int(module["attributes"].get("top", "0"), 2))
    top["settings"] = settings
    replace_file(folder / TUNED, json.dumps(design).encode())
    return TUNED


def stuck(folder: Path) -> bool:
    """Whether a router, by its log so far, has at any time made no progress for long: the same answer for the same
    log.
    """
    try:
        log = (folder / LOG).read_text(errors="replace")
    except OSError:
        return False
    return any(
        _stands_still(list(map(int, left.findall(log))), patience)
        for left, patience in zip(PROGRESS, PATIENCE, strict=True)
    )


def _stands_still(left: Sequence[int], patience: int) -> bool:
    best, since = None, 0
    for each in left:
        best, since = (each, 0) if best is None or each < best else (best, since + 1)
        if since >= patience:
            return True
    return False

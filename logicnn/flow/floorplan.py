"""Where nextpnr put what: the placed cells of a build, and the part of the design that cells and nets belong to."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from logicnn.engines import Mapping as EngineRow
from logicnn.errors import CheckFailed
from logicnn.netlist.netlist import Net, Netlist

__all__ = ["PLACED", "Cell", "Floorplan", "Parts"]

PLACED = "placed.json"
PLACE = re.compile(r"X(\d+)/Y(\d+)/(.+)")
SLOT = re.compile(r"lc(\d)|SLICE([A-D])\.K([01])")  # of logic in a tile: iCE40, ECP5
PACKED = "_LC", "_DFFLC", "$CCU2_COMB0", "$CCU2_COMB1"  # what nextpnr adds to a cell's name
# Parts by the paths of their modules, the first that fits; of the accelerator its own modules say which.
ACCELERATOR = "classifier.accelerator."
MODULES = {"classifier.link": "serial line", "classifier.store": "sample store", "classifier.feed": "sample store"}
REST = "control"
# Columns and rows of tiles, pins included, by the end of a device's name (Project IceStorm, Project Trellis)
GRIDS = {
    "1K": (14, 18),
    "3K": (26, 32),
    "5K": (26, 32),
    "4K": (34, 34),
    "8K": (34, 34),
    "12F": (73, 51),
    "25F": (73, 51),
    "45F": (91, 72),
    "85F": (127, 96),
}


@dataclass(frozen=True)
class Parts:
    """The part of the design by cell and by signal of a netlist, where a layer is known; of all others their paths tell
    it, in which `engines` have the names of their kinds.
    """

    cells: Mapping[str, str] = field(default_factory=dict)
    signals: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # how many of a signal's nets
    engines: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, netlist: Netlist, layers: Mapping[Net, str], mapping: EngineRow) -> "Parts":
        """Of a netlist, with the layers that its nets belong to as far as they are known, and the design's engines."""
        owners = netlist.owners
        kinds = {f"engine{run.start}": type(run.engines[0]).__name__ for run in mapping.runs}
        counts = Counter(kinds.values())
        engines = {name: f"{kind} of {name}" if counts[kind] > 1 else kind for name, kind in kinds.items()}
        plain = cls(engines=engines)
        signals: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for net, name in owners.items():
            signals[name][layers.get(net) or plain.of_path(name)] += 1
        cells: dict[str, str] = {}
        for net, cell in netlist.drivers.items():
            if net in layers:
                cells[cell] = layers[net]
            elif net in owners:
                cells.setdefault(cell, plain.of_path(owners[net]))
        return cls(cells, signals, engines)

    def of_cell(self, name: str) -> str:
        """Of a placed cell, whose name is that of a cell of the netlist, perhaps with an end of nextpnr's."""
        for end in PACKED:
            if name.endswith(end):
                name = name.removesuffix(end)
                break
        return self.cells.get(name) or self.of_path(name)

    def of_path(self, name: str) -> str:
        """By the modules that a name lies in."""
        if name.startswith(ACCELERATOR):
            modules = [each.partition("$")[0] for each in name.removeprefix(ACCELERATOR).split(".")[:-1]]
            if not modules or modules == ["core"]:
                return "registers"
            return ".".join([self.engines.get(modules[0], modules[0]), *modules[1:2]])
        return next((part for path, part in MODULES.items() if name.startswith(path)), REST)

    def added(self, changes: Mapping[str, float]) -> dict[str, float]:
        """Figures of signals, added up by part; that of a signal in several is divided by its nets."""
        found: defaultdict[str, float] = defaultdict(float)
        for name, count in changes.items():
            nets = self.signals.get(name) or {self.of_path(name): 1}
            for part, share in nets.items():
                found[part] += count * share / sum(nets.values())
        return dict(found)


@dataclass(frozen=True)
class Cell:
    """A cell at a tile: its slot of eight where it is logic, None where it is a block; and the part that it belongs
    to.
    """

    x: int
    y: int
    slot: int | None
    part: str


@dataclass(frozen=True)
class Floorplan:
    """Placed logic cells and blocks (memories, multipliers); the size of the grid is in tiles."""

    cells: tuple[Cell, ...]
    width: int
    height: int

    @classmethod
    def read(cls, path: Path, parts: Parts, device: str) -> "Floorplan":
        """Of a design that nextpnr wrote for a device, with the parts of its netlist.

        Raises `CheckFailed` for a file that is not such a design.
        """
        try:
            (top,) = json.loads(path.read_bytes())["modules"].values()
            bels = {name: str(cell["attributes"].get("NEXTPNR_BEL", "")) for name, cell in top["cells"].items()}
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckFailed(f"cannot read the placed design {path}: {error}") from None
        found = ((name, PLACE.fullmatch(bel)) for name, bel in bels.items())
        places = [(name, int(place[1]), int(place[2]), place[3]) for name, place in found if place]
        slots = ((name, x, y, _slot(bel), bel) for name, x, y, bel in places)
        cells = [
            Cell(x, y, slot, parts.of_cell(name))
            for name, x, y, slot, bel in slots
            if slot is not None or _is_block(bel)
        ]
        # Of a device that is not listed, as much as is used
        grid = next((size for end, size in GRIDS.items() if device.endswith(end)), (1, 1))
        width = max([grid[0], *(1 + x for _, x, _, _ in places)])
        height = max([grid[1], *(1 + y for _, _, y, _ in places)])
        return cls(tuple(cells), width, height)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Logic cells by part, the most first."""
        return dict(Counter(cell.part for cell in self.cells if cell.slot is not None).most_common())


def _slot(bel: str) -> int | None:
    found = SLOT.fullmatch(bel)
    if found is None:
        return None
    return int(found[1]) if found[1] else 2 * "ABCD".index(found[2]) + int(found[3])


def _is_block(bel: str) -> bool:
    return bel.lower().startswith(("ram", "mac16", "spram", "ebr", "mult18", "alu54"))

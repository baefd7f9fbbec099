"""iCE40 bitstreams through IceStorm, where it is installed: its tool unpacks them and checks their CRC, its database of
the chips says what their bits configure and which wires they join.

Ref: Project IceStorm, https://prjicestorm.readthedocs.io; Debian's package is fpga-icestorm.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from logicnn.errors import LogicnnError
from logicnn.netlist.netlist import NetlistError

__all__ = ["BitsUnknown", "Chip", "IcestormMissing", "Segment", "is_installed", "unpacked"]

TOOL, LIBRARY = "iceunpack", "icebox_vlog"  # icebox.py lies beside the second one
PACKAGE = "fpga-icestorm"
UNPACK_S = 60.0

Segment = tuple[int, int, str]  # a wire of the chip by one of its names: column and row of a tile, name there
Tile = tuple[int, int]


class IcestormMissing(LogicnnError):
    """IceStorm is not installed."""


class BitsUnknown(NetlistError):
    """A bitstream that uses what cannot be read here, which need be no fault of it."""


def _found(tool: str) -> Path:
    path = shutil.which(tool)
    if path is None:
        raise IcestormMissing(f"tool {tool} was not found; install IceStorm ({PACKAGE})")
    return Path(path)  # links are not followed: one program goes by several names, and does what its name says


def _library() -> ModuleType:
    """IceStorm's Python library, which is no package."""
    folder = _found(LIBRARY).resolve().parent
    for name in ("iceboxdb", "icebox"):  # the second imports the first
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            if spec is None or spec.loader is None or not (folder / f"{name}.py").is_file():
                raise IcestormMissing(f"library {name}.py was not found in {folder}; install IceStorm ({PACKAGE})")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            try:
                with warnings.catch_warnings():  # about escapes in its texts
                    warnings.simplefilter("ignore")
                    spec.loader.exec_module(sys.modules[name])
            except BaseException:
                del sys.modules[name]
                raise
    return sys.modules["icebox"]


def is_installed() -> bool:
    """Whether bitstreams can be read here."""
    return shutil.which(TOOL) is not None and shutil.which(LIBRARY) is not None


@dataclass(frozen=True)
class Chip:
    """A configured chip: IceStorm's library, and what it read."""

    library: Any
    config: Any

    @property
    def device(self) -> str:
        """IceStorm's name of the die: 1k, 5k, 8k, ..."""
        return self.config.device

    @property
    def is_ultra(self) -> bool:
        return self.config.is_ultra()

    def bits(self, tile: Tile, group: str) -> set[str]:
        """Names of the configuration bits of a group that are set in a tile; "" is a group's only one."""
        content = self.config.tile(*tile)
        if content is None:
            return set()
        pattern = self.library.tileconfig(content)
        found = [entry for entry in self.config.tile_db(*tile) if entry[1] == group and pattern.match(entry[0])]
        return {entry[2] if len(entry) > 2 else "" for entry in found}

    @cached_property
    def global_pads(self) -> dict[int, tuple[int, int, int]]:
        """The places of pads (column, row, which of two) that drive global networks, by the networks' numbers."""
        found = {}
        for bit in self.config.extra_bits:
            entry = self.config.lookup_extra_bit(bit)
            if entry[0] != "padin_glb_netwk":
                raise BitsUnknown(f"the bitstream sets bit {bit} of its chip, whose function is not known")
            found[int(entry[1])] = self.config.padin_pio_db()[int(entry[1])]
        return found

    def wires(self) -> Iterable[tuple[Segment, ...]]:
        """The wires that the configuration joins, each by all of its segments, always in the same order."""
        pads = [(x, y, f"padin_{place}") for x, y, place in self.global_pads.values()]
        try:
            return sorted(self.config.group_segments(extra_segments=pads))
        except AssertionError:
            raise NetlistError("the bitstream joins wires in a way that its chip does not have") from None

    def pads(self, package: str) -> dict[str, tuple[int, int, int]]:
        """Places of pads by the pins of a package, in IceStorm's spelling (``sg48``)."""
        name = f"{self.device}-{package}"
        if name not in self.library.pinloc_db:
            raise BitsUnknown(f"package {package} of the {self.device} is not known to IceStorm")
        return {pin: (x, y, place) for pin, x, y, place in self.library.pinloc_db[name]}


def unpacked(data: bytes) -> Chip:
    """The chip that a bitstream (.bin) configures.

    Raises `IcestormMissing`, and `NetlistError` for bytes that are no bitstream of iCE40 with the right CRC.
    """
    tool, library = _found(TOOL), _library()
    with tempfile.TemporaryDirectory() as folder:
        packed, text = Path(folder, "bits.bin"), Path(folder, "bits.asc")
        packed.write_bytes(data)
        quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "check": False, "timeout": UNPACK_S}
        ran = subprocess.run([tool, packed, text], **quiet)
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {ran.returncode}"]
            raise NetlistError(f"the bitstream of {len(data)} bytes cannot be unpacked: {TOOL}: {said[0]}")
        config = library.iceconfig()
        try:
            config.read_file(str(text))
        except (AssertionError, ValueError, IndexError):
            raise NetlistError(f"the bitstream of {len(data)} bytes is of no chip that IceStorm knows") from None
    return Chip(library, config)

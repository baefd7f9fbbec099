"""Boards by name or by file: each is one small Python file that defines `board`."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logicnn.board.flash import RESOURCE
from logicnn.errors import LogicnnError
from logicnn.resources import DEVICES, Device, Family

__all__ = ["Board", "BoardError", "Programmer", "find", "names", "table"]

# A wheel carries a copy inside the package; in a checkout boards/ lies beside it.
FOLDERS = [Path(__file__).parents[1] / "_boards", Path(__file__).parents[2] / "boards"]


class BoardError(LogicnnError):
    """An unknown board, or a file that does not define one."""


@dataclass(frozen=True)
class Programmer:
    """The tool that writes a board's flash: its name, arguments before the file's, and the option of a byte offset, if
    it has one.

    `package` is what to install for it.
    """

    tool: str
    package: str
    arguments: tuple[str, ...] = ()
    offset_option: str | None = None

    def commands(self, bitstream: str, image: str | None = None, offset: int = 0) -> list[list[str]]:
        """What writes a bitstream, and an image of weights at an offset. Raises `BoardError` where the tool has no
        offsets.
        """
        written = [[self.tool, *self.arguments, bitstream]]
        if image is not None:
            if self.offset_option is None:
                raise BoardError(f"{self.tool} has no option for an offset, which {image} needs")
            written.append([self.tool, *self.arguments, self.offset_option, str(offset), image])
        return written


@dataclass(frozen=True)
class Board:
    """A board: how to make its Amaranth platform. The platform has a UART 0 and LEDs 0, 1, ...; `device` names one of
    `DEVICES`.

    `engine_hz` is the clock of engines that take many cycles an input, where it is another than the board's own: a PLL
    of iCE40 makes it. `programmer` writes its flash, or `other_programmer` where the first's tool is not there. `usb`
    are the vendor and product numbers of its serial port, by which ``--port auto`` finds it.
    """

    name: str
    platform: Callable[[], Any]
    device_name: str
    engine_hz: float | None = None
    programmer: Programmer | None = None
    usb: tuple[tuple[int, int], ...] = ()
    other_programmer: Programmer | None = None

    def __post_init__(self) -> None:
        if self.device_name not in DEVICES:
            raise BoardError(f"board {self.name}: device must be one of {', '.join(DEVICES)}, not {self.device_name!r}")
        if self.engine_hz is not None and self.device.family is not Family.ICE40:
            raise BoardError(
                f"board {self.name}: engine_hz is made by a PLL of iCE40, which the {self.device_name} does not have"
            )
        if not callable(self.platform):
            raise BoardError(f"board {self.name}: platform must be callable, not {self.platform!r}")

    def make_platform(self) -> Any:
        """The platform, with what the board design needs from it checked."""
        try:
            platform = self.platform()
            device, clock, resources = platform.device, platform.default_clk_frequency, platform.resources
        except Exception as error:
            raise BoardError(
                f"board {self.name}: its platform cannot be made: {type(error).__name__}: {error}"
            ) from error
        if device != self.device_name:
            raise BoardError(
                f"board {self.name}: its platform has a {device}, not the {self.device_name} that it names"
            )
        if ("uart", 0) not in resources or not clock:
            raise BoardError(f"board {self.name}: its platform needs a UART 0 and a default clock")
        return platform

    def check_engine(self, platform: Any, *, loaded: bool) -> None:
        """What a convolution engine needs further of a platform: a flash chip where its weights are `loaded`. Raises
        `BoardError`.
        """
        if loaded and RESOURCE not in platform.resources:
            raise BoardError(
                f"board {self.name}: weights come from flash, but its platform has no {' '.join(map(str, RESOURCE))}"
            )

    @property
    def device(self) -> Device:
        return DEVICES[self.device_name]


def _files() -> dict[str, Path]:
    for folder in FOLDERS:
        found = {path.stem: path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"}
        if found:
            return found
    return {}


def names() -> list[str]:
    """Names of the boards that come with the package."""
    return list(_files())


def find(source: str) -> Board:
    """The board of that name, or of a user's own file (``path/to/file.py``).

    Raises `BoardError` for an unknown name and for a file that does not define `board`.
    """
    path = _files().get(source)
    if path is None:
        path = Path(source)
        if path.suffix != ".py" or not path.is_file():
            raise BoardError(f"unknown board {source!r}; give the path of a board file or one of: {', '.join(names())}")
    spec = importlib.util.spec_from_file_location(f"logicnn_board_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except LogicnnError:
        raise
    except (Exception, SystemExit) as error:  # a user's own file can fail in any way; the cause is all that helps
        raise BoardError(f"board file {path} cannot be run: {type(error).__name__}: {error}") from error
    board = getattr(module, "board", None)
    if not isinstance(board, Board):
        raise BoardError(f"board file {path} must define `board`, a logicnn.board.Board")
    return board


def table() -> list[dict[str, Any]]:
    """The boards that come with the package: device, its capacities, clocks in MHz, and the programmer."""
    rows = []
    for name in names():
        board = find(name)
        room, clock = board.device.capacity, board.make_platform().default_clk_frequency
        rows.append(
            {
                "board": name,
                "device": board.device_name,
                "logic_cells": room.logic_cells,
                "memory_bits": board.device.memory_bits,
                "dsp": room.dsp,
                "clock_mhz": clock / 1e6,
                "engine_mhz": (board.engine_hz or clock) / 1e6,
                "programmer": board.programmer.tool if board.programmer else None,
            }
        )
    return rows

"""Which tools of a build have to run again, and each in a folder of its own."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from logicnn.flow import tools
from logicnn.storage import replace_file

__all__ = ["RUNNING", "Stages"]

RUNNING = ".running-"  # how folders begin that tools run in
ROOM = 1 << 20  # bytes that must be free behind a tool


class Stages:
    """Which stages of a build folder are up to date: each leaves the hash of all that it read and made."""

    def __init__(self, folder: Path):
        self._folder = folder

    def run(
        self,
        name: str,
        command: Sequence[str],
        reads: Sequence[str],
        makes: Sequence[str],
        hopeless: Callable[[Path], bool] | None = None,
    ) -> bool:
        """`once`, unless the tool's version, command, inputs and outputs are those of the last time; returns whether it
        ran.

        Raises `ToolGaveUp` where it was `hopeless`, also when it was so once before.
        """
        key = _sha256(tools.version(command[0]).encode(), *(word.encode() for word in command), *map(self._read, reads))
        stamp, given_up = self._folder / f"{name}.stamp", self._folder / f"{name}.given_up"
        if (
            stamp.is_file()
            and all((self._folder / each).is_file() for each in makes)
            and stamp.read_bytes() == self._mark(key, makes)
        ):
            return False
        before = given_up.read_bytes() if given_up.is_file() else b""
        if key.encode() in before.split():
            raise tools.ToolGaveUp(f"{command[0]} did not come to an end before")
        stamp.unlink(missing_ok=True)
        try:
            self.once(name, command, reads, makes, hopeless)
        except tools.ToolGaveUp:
            replace_file(given_up, before + f"{key}\n".encode())
            raise
        replace_file(stamp, self._mark(key, makes))
        return True

    def once(
        self,
        name: str,
        command: Sequence[str],
        reads: Sequence[str],
        makes: Sequence[str],
        hopeless: Callable[[Path], bool] | None = None,
    ) -> None:
        """Runs a tool on copies of what it reads, and moves what it made here when it is whole. A tool that outlives a
        build that was killed goes on where nobody reads.

        Raises `ToolFailed`, also for a tool that ends well without having made it all, and OSError where the disk is
        full: icepack (1.1) for one says nothing of that, and leaves what there was room for.
        """
        log = (self._folder / f"{name}.log").absolute()
        with TemporaryDirectory(dir=self._folder, prefix=RUNNING) as own:
            for each in reads:
                shutil.copyfile(self._folder / each, Path(own) / each)
            tools.run(command, Path(own), str(log), hopeless)
            for each in makes:
                if not (Path(own) / each).is_file():
                    raise tools.ToolFailed(f"{command[0]} ended without having made {each} (log {log})")
            _check_room(Path(own))
            for path in sorted(Path(own).iterdir()):
                if path.is_file() and path.name not in reads:
                    path.replace(self._folder / path.name)

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def _mark(self, key: str, makes: Sequence[str]) -> bytes:
        """What a stage read and what it made: a file that was cut short or changed since then is made again."""
        return _sha256(key.encode(), *map(self._read, makes)).encode()


def _check_room(folder: Path) -> None:
    """Raises OSError where nothing more can be written: then what was written last may be cut short."""
    file = folder / "room"
    file.write_bytes(bytes(ROOM))
    file.unlink()


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

"""Which tools of a build have to run again."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from logicnn.flow import tools
from logicnn.flow.placement import LOG
from logicnn.storage import replace_file

__all__ = ["Stages"]


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
        """Runs a tool unless its version, command, inputs and outputs are those of the last time; returns whether it
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
        if given_up.is_file() and key in given_up.read_text().split():
            raise tools.ToolGaveUp(f"{command[0]} did not come to an end before")
        stamp.unlink(missing_ok=True)
        (self._folder / LOG).unlink(missing_ok=True)  # which `hopeless` reads
        try:
            tools.run(command, self._folder, f"{name}.log", hopeless)
        except tools.ToolGaveUp:
            before = given_up.read_bytes() if given_up.is_file() else b""
            replace_file(given_up, before + f"{key}\n".encode())
            raise
        replace_file(stamp, self._mark(key, makes))
        return True

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def _mark(self, key: str, makes: Sequence[str]) -> bytes:
        """What a stage read and what it made: a file that was cut short or changed since then is made again."""
        return _sha256(key.encode(), *map(self._read, makes)).encode()


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

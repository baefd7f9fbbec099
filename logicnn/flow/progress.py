"""Steps of a long command, with elapsed time: a live line on a terminal, plain lines elsewhere. Goes to stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from logicnn.errors import one_line

__all__ = ["Steps"]


class Steps:
    """Announces steps and keeps how long each took (`seconds`)."""

    def __init__(self, quiet: bool = False):
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False, emoji=False)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, text: str, note: str = "", silent_s: float = 0.0) -> Iterator[Callable[[str], None]]:
        """Runs a step; `note` is shown while it runs, the yielded function adds a remark to its last line.

        A step of less than `silent_s` leaves no line.
        """
        text = one_line(text)  # which may name a user's file
        remarks: list[str] = []
        start = time.perf_counter()
        with self._console.status(Text(f"{text} ... {note and f'({note})'}"), spinner="line"):
            yield remarks.append
        self.seconds[name] = time.perf_counter() - start
        if self.seconds[name] >= silent_s:
            self._console.print(
                f"{self.seconds[name]:7.1f} s  {text}{''.join(f', {remark}' for remark in remarks)}", soft_wrap=True
            )

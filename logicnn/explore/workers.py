"""Who does the jobs: processes of this machine, or the workers of a Dask cluster. Both are executors of Python's
`concurrent.futures`, so that the exploration does not ask which.
"""

import os
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Protocol

from logicnn.errors import LogicnnError

__all__ = ["LOST", "Cluster", "Local", "Workers"]

LOST = BrokenExecutor, CancelledError  # what a job ends with whose worker, or whose samples, are gone
ANSWERS = "10s"  # in which a scheduler must answer


class Workers(Protocol):
    """`count` jobs are done at a time."""

    @property
    def count(self) -> int: ...

    def submit(self, function: Callable[..., Any], job: Any, samples: Any) -> Future:
        """Has a job done with these samples, which are kept by the workers from one job to the next."""
        ...

    def close(self) -> None:
        """Ends jobs that are not done."""
        ...


def _alone(end: Connection) -> None:
    """Of a process: it and all that it starts end with the process that started it, and not by a Ctrl-C of its own."""
    os.setpgrp()
    Thread(target=_ends_with, args=(end,), daemon=True).start()


def _ends_with(end: Connection) -> None:
    end.poll(None)  # until the other end is closed
    os.killpg(0, signal.SIGKILL)


class Local:
    """So many processes of this machine, begun anew: a fork of a process that has torch's threads may stand still."""

    def __init__(self, count: int):
        self._count = count
        self._context = get_context("spawn")
        self._end, self._held = self._context.Pipe(duplex=False)
        self._pool = self._new()

    def _new(self) -> Executor:
        return ProcessPoolExecutor(self._count, self._context, _alone, (self._end,))

    @property
    def count(self) -> int:
        return self._count

    def submit(self, function: Callable[..., Any], job: Any, samples: Any) -> Future:
        try:
            return self._pool.submit(function, job, samples)
        except BrokenExecutor:  # by a process that ended in the middle of a job
            self._pool.shutdown(wait=False)
            self._pool = self._new()
            return self._pool.submit(function, job, samples)

    def close(self) -> None:
        self._held.close()
        self._pool.shutdown(cancel_futures=True)
        self._end.close()


class Cluster:
    """Workers of an existing Dask cluster, one job a worker at a time. Dask itself does a job again whose worker died.

    Raises `LogicnnError` where `distributed` is not installed, or where nothing answers at the address.
    """

    def __init__(self, address: str, count: int | None = None):
        try:
            from distributed import Client
        except ImportError:
            raise LogicnnError("--scheduler needs Dask; pip install logicnn[cluster]") from None
        try:
            self._client: Any = Client(address, timeout=ANSWERS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LogicnnError(f"--scheduler: no Dask scheduler answers at {address}: {error}") from None
        self._given = count
        self._executor = self._client.get_executor(pure=False)
        self._samples: dict[int, tuple[Any, Any]] = {}  # by identity: what was handed over, and its future

    @property
    def count(self) -> int:
        return self._given or max(1, len(self._client.nthreads()))

    def submit(self, function: Callable[..., Any], job: Any, samples: Any) -> Future:
        return self._executor.submit(function, job, self._handed(samples))

    def _handed(self, samples: Any) -> Any:
        """The samples on all workers, handed over again where they went with the last worker that had them."""
        known = self._samples.get(id(samples))
        if known is None or known[1].status != "finished":
            known = samples, self._client.scatter(samples, broadcast=True)
            self._samples[id(samples)] = known
        return known[1]

    def close(self) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()

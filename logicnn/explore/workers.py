"""Who does the jobs: processes of this machine, or the workers of a Dask cluster. Both are executors of Python's
`concurrent.futures`, so that the exploration does not ask which.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
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
    """So many processes of this machine, begun anew: a fork of a process that has torch's threads may stand still. Each
    is a pool of its own, since one that ends in the middle of a job breaks its pool, with all jobs that are done there.
    """

    def __init__(self, count: int):
        self._context = get_context("spawn")
        self._end, self._held = self._context.Pipe(duplex=False)
        self._pools = [self._new() for _ in range(count)]
        self._jobs: list[Future | None] = [None] * count  # the last one of each

    def _new(self) -> Executor:
        return ProcessPoolExecutor(1, self._context, _alone, (self._end,))

    @property
    def count(self) -> int:
        return len(self._pools)

    def submit(self, function: Callable[..., Any], job: Any, samples: Any) -> Future:
        free = next((place for place, last in enumerate(self._jobs) if last is None or last.done()), 0)
        try:
            made = self._pools[free].submit(function, job, samples)
        except BrokenExecutor:  # by a process that ended in the middle of a job
            self._pools[free].shutdown(wait=False)
            self._pools[free] = self._new()
            made = self._pools[free].submit(function, job, samples)
        self._jobs[free] = made
        return made

    def close(self) -> None:
        self._held.close()
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)
        self._end.close()


class Cluster:
    """Workers of an existing Dask cluster, one job a worker at a time. Dask itself does a job again whose worker died.

    Raises `LogicnnError` where `distributed` is not installed, where nothing answers at the address, and where
    scheduler or workers are gone when a job is to be done.
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
        self._given, self._address = count, address
        self._executor = self._client.get_executor(pure=False)
        self._samples: dict[int, tuple[Any, Any]] = {}  # by identity: what was handed over, and its future

    @property
    def count(self) -> int:
        with self._there():
            return self._given or max(1, len(self._client.nthreads()))

    def submit(self, function: Callable[..., Any], job: Any, samples: Any) -> Future:
        with self._there():
            return self._executor.submit(function, job, self._handed(samples))

    @contextmanager
    def _there(self) -> Iterator[None]:
        """A scheduler or workers that are gone end in `LogicnnError`."""
        try:
            yield
        except Exception as error:  # OSError, or what Dask's client raises once it has closed itself
            raise LogicnnError(f"--scheduler {self._address} takes no more jobs: {error}") from None

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

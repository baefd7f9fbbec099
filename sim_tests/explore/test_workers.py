"""Workers that are killed: a job is done by another, once; and none goes on without the process that wants it."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from contextlib import closing

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from logicnn import load
from logicnn.errors import LogicnnError
from logicnn.explore.trials import State
from logicnn.explore.workers import Cluster, Local
from sim_tests.explore.helpers import explored


def test_local():
    """A process that is killed loses its job alone; the next one has another process."""
    with closing(Local(1)) as workers:
        with pytest.raises(BrokenExecutor):
            workers.submit(os.kill, 0, signal.SIGKILL).result(60)  # 0: all that it started, and itself
        assert workers.submit(pow, 3, 2).result(60) == 9


def test_neighbours(tmp_path):
    """Jobs of the other processes go on."""
    go = tmp_path / "go"
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    with closing(Local(2)) as workers:
        other = workers.submit(exec, waits, {})
        for _ in range(2):
            with pytest.raises(BrokenExecutor):
                workers.submit(os.kill, 0, signal.SIGKILL).result(60)
        go.touch()
        assert other.result(60) is None


SLEEPS = """
import sys, time
from logicnn.explore.workers import Local
if __name__ == "__main__":
    workers = Local(1)
    workers.submit(time.sleep, 0, None)
    future = workers.submit(exec, "import os; print(os.getpid(), flush=True); import time; time.sleep(60)", {})
    future.result()
"""


def test_ends_with_its_parent(tmp_path):
    """Where the process that started it is killed, a job ends within seconds."""
    script = tmp_path / "sleeps.py"
    script.write_text(SLEEPS)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.kill()
        end = time.monotonic() + 20
        while time.monotonic() < end and _runs(worker):
            time.sleep(0.05)
        assert not _runs(worker)


def _runs(process):
    """Whether it does; one that ended and is not waited for does not."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_cluster(tmp_path):
    """Of two workers one is killed in the middle of a job, and takes samples with it: no trial is lost, and none counts
    twice.
    """
    distributed = pytest.importorskip("distributed")
    killed = []

    def say(trial):
        if not killed:
            found = client.run(os.getpid)
            killed.extend(list(found.values())[:1])
            os.kill(killed[0], signal.SIGKILL)

    kind = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**kind) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        closing(Cluster(cluster.scheduler_address)) as workers,
    ):
        assert workers.count == 2
        with closing(explored(tmp_path, workers, say=say)) as study:
            trials = study.trials
        assert killed and not _runs(killed[0])
    assert [each.number for each in trials] == list(range(len(trials))) and len(trials) == 4
    assert {each.state for each in trials} == {State.TRAINED}
    assert all(load(tmp_path / each.known.file).digest() == each.known.digest for each in trials)


def test_scheduler_gone(monkeypatch):
    """One line, whether the address is asked again or the client has closed itself."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("logicnn.explore.workers.ANSWERS", "500ms")
    kind = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**kind) as cluster:
        workers = Cluster(cluster.scheduler_address)
        assert workers.submit(pow, 3, 2).result(60) == 9
    with closing(workers):
        for ask in (lambda: workers.count, lambda: workers.submit(pow, 3, 2)):
            with pytest.raises(LogicnnError, match=r"^--scheduler inproc://\S+ takes no more jobs: "):
                ask()


def test_no_scheduler(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("logicnn.explore.workers.ANSWERS", "100ms")
    with pytest.raises(LogicnnError, match=r"^--scheduler: no Dask scheduler answers at tcp://127\.0\.0\.1:9: "):
        Cluster("tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LogicnnError, match=r"^--scheduler needs Dask; pip install logicnn\[cluster\]$"):
        Cluster("tcp://127.0.0.1:9")

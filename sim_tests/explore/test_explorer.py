"""An exploration: what it tries, in which order, and that it goes on where it ended, whatever ended it."""

from concurrent.futures import BrokenExecutor, Future
from contextlib import closing
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from logicnn import load
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.explore import explorer
from logicnn.explore.jobs import Building, Built, Training
from logicnn.explore.trials import State
from logicnn.nn.choices import Option
from logicnn.nn.ways import WAYS
from logicnn.nn.ways.reuse import Words, Wordy
from sim_tests.explore.helpers import AtOnce, explored

REPORT = {
    "resources": {"logic_cells": 1500},
    "timing": {"clock_mhz": 12.0, "latency_cycles": 24, "core_delay_ns": 50.0},
    "energy_estimate": {"least_uj": 1.0, "most_uj": 3.0},
}


def numbers(study):
    """What two explorations have in common whose jobs are the same."""
    return [
        (each.number, each.way, each.chosen, each.longer_of, each.state, each.figures and each.figures.digest)
        for each in study.trials
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Of an exploration that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    with closing(explored(folder, AtOnce())) as study:
        yield folder, study.trials, numbers(study)


def test_first_and_longer(whole):
    """A way's own candidate and its other sizes first; a long training of the best for four times the epochs; a file
    for each.
    """
    folder, trials, _ = whole
    assert [each.longer_of is None for each in trials] == [True, True, True, False]
    first = {"layers": 2, "neurons": 64, "learning_rate": 3e-3}
    assert [each.chosen for each in trials[:3]] == [first, first | {"neurons": 32}, first | {"neurons": 128}]
    assert [each.known.epochs for each in trials] == [1, 1, 1, 4]
    for each in trials[3:]:
        assert each.chosen == trials[each.longer_of].chosen
    assert trials[3].longer_of == min(trials[:3], key=lambda each: each.estimated).number
    for each in trials:
        network = load(folder / each.known.file)
        assert network.digest() == each.known.digest and network.name == f"reuse-{each.number}"
        assert network.preparation.columns == ("a", "b", "c")


@pytest.mark.parametrize("at", [0, 2, 3])
def test_interrupted(whole, tmp_path, at):
    """The trial that was running is run again under its number; in the end all is as if nothing had happened."""
    with pytest.raises(KeyboardInterrupt):
        explored(tmp_path, AtOnce({at: KeyboardInterrupt()}))
    worker = AtOnce()
    with closing(explored(tmp_path, worker)) as study:
        assert numbers(study) == whole[2]
    assert [job.trial for job in worker.jobs] == list(range(at, 4))
    again = AtOnce()
    with closing(explored(tmp_path, again)) as study:  # where nothing is left to do
        assert numbers(study) == whole[2] and not again.jobs


def test_worker_lost(whole, tmp_path):
    """Its job is done again and counts once; after the third time it has failed, and the others go on."""
    worker = AtOnce({1: BrokenExecutor()})
    with closing(explored(tmp_path, worker)) as study:
        assert numbers(study) == whole[2] and [job.trial for job in worker.jobs] == [0, 1, 1, 2, 3]
    (tmp_path / "b").mkdir()
    with closing(
        explored(tmp_path / "b", AtOnce({1: BrokenExecutor(), 2: BrokenExecutor(), 3: BrokenExecutor()}))
    ) as study:
        lost = study.trials[1]
        assert lost.state is State.FAILED and lost.reason.startswith("its worker was lost 3 times: BrokenExecutor")
        assert [each.state for each in study.trials if each is not lost].count(State.TRAINED) == len(study.trials) - 1


def test_any_error(tmp_path):
    """A trial that ends in an error says so, and is not the end."""
    with closing(explored(tmp_path, AtOnce({0: MemoryError("too large")}))) as study:
        first, *others = study.trials
        assert first.state is State.FAILED and first.reason == "MemoryError: too large"
        assert {each.state for each in others} == {State.TRAINED}


def test_newcomer(tmp_path, monkeypatch):
    """A way that the package does not know is explored by what it says of itself; so is one that is wrong."""

    class Odd(Words):
        def choices(self, data, device):
            return {"neurons": Option((4, 6), 4)}

        def candidate(self, chosen, data, device):
            return Wordy((chosen["neurons"],), 3e-3)

        def sketch(self, candidate, data):
            if candidate.hidden == (6,):
                raise RuntimeError("no sketch of six")
            return super().sketch(candidate, data)

    monkeypatch.setitem(WAYS, "odd", Odd())
    with closing(explored(tmp_path, AtOnce(), ways=("odd",), trials=6)) as study:
        trials = study.trials
    assert load(tmp_path / "trials" / "0000" / "odd-0.lnn").name == "odd-0"
    for each in trials:
        wanted = State.TRAINED if each.chosen == {"neurons": 4} else State.FAILED
        assert each.state is wanted and each.reason == (
            "" if wanted is State.TRAINED else "RuntimeError: no sketch of six"
        )
    assert {each.state for each in trials} == {State.TRAINED, State.FAILED}


def test_hopeless(tmp_path):
    """Where all trials fail the exploration does, with the reason."""
    ends = {number: LogicnnError("it never works") for number in range(99)}
    with pytest.raises(LogicnnError, match=r"^none of 10 trials came to a network: it never works$"):
        explored(tmp_path, AtOnce(ends), trials=None)


def test_not_hopeless(tmp_path, monkeypatch):
    """While one is being trained, any number of proposals may have no room; what is done is heard before more are
    made.
    """

    class Odd(Words):
        def choices(self, data, device):
            return {"neurons": Option(tuple(range(4, 60)), 4)}

        def candidate(self, chosen, data, device):
            if chosen["neurons"] != 4:
                raise LogicnnError("no room")
            return Wordy((4,), 3e-3)

    class Slow(AtOnce):
        """Does its first job when so many trials are over."""

        count = 2

        def submit(self, function, job, samples):
            if self.jobs:
                return super().submit(function, job, samples)
            self.jobs.append(job)
            self.first, self.work = Future(), lambda: function(job, samples)
            return self.first

    def say(trial):
        told.append(trial.number)
        if len(told) == explorer.HOPELESS + 2:
            worker.first.set_result(worker.work())

    monkeypatch.setitem(WAYS, "odd", Odd())
    told, worker = [], Slow()
    with closing(explored(tmp_path, worker, ways=("odd",), say=say, trials=16)) as study:
        assert study.trials[0].state is State.TRAINED and told.index(0) == explorer.HOPELESS + 2
        assert [each.state for each in study.trials].count(State.REFUSED) >= explorer.HOPELESS + 2


def test_no_room(tmp_path, monkeypatch):
    """A candidate that does not fit by its estimate is not trained, and says what is lacking."""
    whole_room = explorer.boards.find("icebreaker")

    class Small:
        """The board, with fewer cells."""

        def __getattr__(self, name):
            return getattr(whole_room, name)

        @property
        def device(self):
            device = whole_room.device
            return replace(device, capacity=replace(device.capacity, logic_cells=600))

    monkeypatch.setattr(explorer.boards, "find", lambda name: Small())
    worker = AtOnce()
    with closing(explored(tmp_path, worker, trials=2)) as study:
        assert not worker.jobs and {each.state for each in study.trials} == {State.REFUSED}
        assert all("more than the 600 of the iCE40UP5K" in each.reason for each in study.trials)


def built(results):
    """A build that says what it is told to, by trial, or fails."""

    def build(job, samples):
        end = results.get(job.trial)
        if isinstance(end, Exception):
            raise end
        files = {"icebreaker/report.json": b"{}", "icebreaker/a.bin": b"bits"}
        return Built(end or REPORT, files, 2.0)

    return build


def test_builds(tmp_path, monkeypatch):
    """The most accurate first, after all trainings; one that fails says why, and the next best is built."""
    with closing(explored(tmp_path, AtOnce())) as study:
        best = min(study.trials, key=lambda each: each.estimated).number
    monkeypatch.setattr(explorer, "build", built({best: CheckFailed("place and route come to no end")}))
    worker, told = AtOnce(), []
    with closing(explored(tmp_path, worker, builds=2, say=told.append)) as study:
        trials = study.trials
    assert all(isinstance(job, Building) for job in worker.jobs)
    assert worker.jobs[0].trial == best and len(worker.jobs) == len(told) == 2
    assert trials[best].build_reason == "place and route come to no end" and trials[best].build is None
    other = trials[worker.jobs[1].trial]
    assert other.build and (other.logic_cells, other.answer_ns, other.energy_uj) == (1500, 2000.0, 2.0)
    folder = tmp_path / "trials" / f"{other.number:04d}" / "icebreaker"
    assert (folder / "a.bin").read_bytes() == b"bits" and worker.jobs[1].engine == "reused"


def test_time(tmp_path):
    """Short trainings in the first part of the time, long ones until the next, builds for the rest; a part at least."""
    worker = AtOnce()
    with closing(explored(tmp_path, worker, seconds=4.0, trials=None, epochs=0)) as study:
        spent, trials = study.spent_s, study.trials
    assert spent < 8 and trials[0].state is State.TRAINED  # of the machine's own making beyond 4
    short = [each for each in trials if each.longer_of is None]
    assert all(isinstance(job, Training) and job.seconds == 0.35 * 4 / explorer.SHORT for job in worker.jobs)
    assert [each.number for each in short] == list(range(len(short)))
    with closing(explored(tmp_path, again := AtOnce(), seconds=4.0, trials=None, epochs=0)):
        assert not again.jobs  # its time is over, however often it is begun


def test_another_exploration(whole, tmp_path, monkeypatch):
    """A folder is of one exploration; one whose study is damaged is refused in a line."""
    monkeypatch.setitem(explored.__globals__["OF"], "board", "ulx3s")
    with pytest.raises(LogicnnError, match=r"holds an exploration of other board; give the same as before to go on"):
        explored(whole[0], AtOnce())
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(LogicnnError, match=r"study\.db is no study of an exploration: .*not a database"):
        explored(tmp_path, AtOnce())

"""The study on the disk: in a folder of any name, interrupted anywhere, on a disk that is full."""

import sqlite3
from contextlib import closing

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from logicnn.errors import LogicnnError
from logicnn.explore.study import Study
from logicnn.explore.trials import State
from logicnn.nn.choices import Number, Option

OF = {"data": "t", "seed": 1}
WAYS = {"a": {"rate": Number(0.5, 4.0, 2.0, log=True)}, "b": {"layers": Option((1, 2, 3), 1)}}


@pytest.mark.parametrize("name", ["what?", "100%41", "one # two", "a;b&c=d", "ü"])
def test_any_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for _ in range(2):
        with Study(folder, OF, WAYS, 1) as study:
            assert len(study.running()) in (0, 1) and study.ask().chosen
    assert [each.name for each in folder.iterdir()] == ["study.db"] and list(tmp_path.iterdir()) == [folder]


def test_drawn_once(tmp_path):
    """A trial that was asked for, and of which nothing was drawn yet, is what it would have been."""
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with Study(tmp_path / name, OF, WAYS, 1) as study:
            for _ in WAYS:
                study.refuse(study.ask().number, "no room", State.REFUSED)
            if name == "a":
                found.append(study.ask())
            else:
                study._study.ask()
    with Study(tmp_path / "b", OF, WAYS, 1) as study:
        found += study.running()
    assert len(found) == 2 and found[0] == found[1]


def test_another(tmp_path):
    """Names what differs."""
    with Study(tmp_path, OF, WAYS, 1):
        pass
    for other, named in (({"data": "u", "seed": 1}, "data"), ({"data": "u", "seed": 2}, "data and seed")):
        with pytest.raises(LogicnnError, match=rf"holds an exploration of other {named}; give the same as before"):
            Study(tmp_path, other, WAYS, 1)


def test_full_disk(tmp_path):
    """One line; what was there stays, and goes on."""
    said = r"study\.db cannot be kept: database or disk is full; mend that, and the same command goes on$"
    with pytest.raises(LogicnnError, match=said), Study(tmp_path, OF, WAYS, 1) as study:
        with study._storage.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # of this connection, the only one
        for _ in range(100):
            study.refuse(study.ask().number, "no room " * 100, State.REFUSED)
    with Study(tmp_path, OF, WAYS, 1) as study:
        assert study.ask()
    with closing(sqlite3.connect(tmp_path / "study.db")) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_lost_table(tmp_path):
    """What is read and not written fails in another way."""
    said = r"study\.db cannot be kept: no such table: "
    with pytest.raises(LogicnnError, match=said), Study(tmp_path, OF, WAYS, 1) as study:
        with closing(sqlite3.connect(tmp_path / "study.db")) as base:
            base.execute("DROP TABLE study_user_attributes")
        assert study.spent_s

"""Jobs: the same training gives the same network; builds are judged on left-out samples, and fail with their own
words.
"""

import html
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from logicnn.data.dataset import Dataset, Split
from logicnn.errors import CheckFailed
from logicnn.explore import jobs
from logicnn.explore.jobs import Building, Training, build, train
from logicnn.explore.material import named, owned
from logicnn.network import Activations, Interval
from logicnn.network.files import from_bytes, to_bytes
from logicnn.nn.ways import WAYS
from sim_tests.explore.helpers import BOARD, OWN
from sim_tests.helpers import dense_network

CHOSEN = {"layers": 1, "neurons": 8, "learning_rate": 3e-3}
JOB = Training(7, "reuse", CHOSEN, BOARD, 3, 2, 0.0)


def test_train(capfd):
    data = owned(OWN, "t", {"reuse": WAYS["reuse"]}, 1).data["reuse"]
    threads = torch.get_num_threads()
    made, again = (train(JOB, data) for _ in range(2))
    assert made.network == again.network and made.epochs == 2 and torch.get_num_threads() == threads
    network = from_bytes(made.network)
    assert network.name == "reuse-7" and network.digest() == made.digest
    assert made.accuracy == np.mean(network.evaluate(data.test.x) == data.test.y)
    assert made.estimate.latency_cycles > 0 and made.estimate.answer_ns > made.estimate.latency_cycles
    assert train(replace(JOB, seed=4), data).digest != made.digest
    assert capfd.readouterr().err == ""


def test_seconds(monkeypatch):
    """As many epochs as there is time for, once it is known how long one takes; not more than `MOST_EPOCHS`."""
    clock = [0.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock[0])
    asked = []

    def trained(epochs):
        asked.append(epochs)
        clock[0] += 10.0 * (len(asked) == 1) + epochs  # the first has libraries warm up
        return epochs

    assert jobs._timed(trained, 0, 100.0) == (81, 81, 81.0)
    assert asked == [1, 8, 81] and clock[0] == 100.0
    asked.clear()
    assert jobs._timed(trained, 5, 0.0)[:2] == (5, 5) and asked == [5]
    asked.clear()
    assert jobs._timed(trained, 0, 1e6)[1] == jobs.MOST_EPOCHS


def data_of(network):
    x = np.random.default_rng(1).integers(0, 2, (60, *network.input.shape))
    split = Split(x, network.evaluate(x))
    return Dataset("", ("a", "b", "c"), 1, split, split)


def test_build(tmp_path):
    """The command's own result, whose paths are those of the folder where it will lie; all samples are decided right
    by the netlist, since the network labelled them.
    """
    network = dense_network(np.random.default_rng(2), 6, 4, 3)
    assert network.input == Activations((6,), Interval(0, 1))
    made = build(Building(3, "logic-3", to_bytes(network), BOARD, "logic", str(tmp_path), 600.0), data_of(network))
    assert made.report["model"] == {"name": "logic-3", "digest": network.digest()}
    checked = made.report["verification"]
    assert checked["accuracy"] == 1.0 and checked["mismatches"] == 0
    assert checked["dataset"].startswith(f"{tmp_path}/validation.npz test (60)")
    folder = f"icebreaker-{network.digest()[:16]}"
    assert made.report["bitstream"]["path"] == f"{tmp_path}/{folder}/logic-3.bin"
    assert set(made.files) == {
        f"{folder}/{name}" for name in ("logic-3.bin", "report.json", "report.txt", "report.html")
    }
    assert json.loads(made.files[f"{folder}/report.json"]) == made.report
    assert len(made.files[f"{folder}/logic-3.bin"]) == made.report["bitstream"]["bytes"]


@pytest.mark.parametrize("folder", ['a "quoted" one', "back\\slash", "<b>&</b>", "ü", "not utf-8 \udcff"])
def test_moved(folder):
    """Whatever a folder is called, files say so in their own way; others are left alone."""
    was = "/tmp/logicnn-explore-x"
    path = f"{was}/a.bin"
    report = json.loads(jobs._moved(json.dumps({"path": path}).encode(), ".json", was, folder))
    assert report == {"path": f"{folder}/a.bin"}
    page = jobs._moved(f"<p>{path}</p>".encode(), ".html", was, folder).decode()
    shown = folder.encode("utf-8", "replace").decode()
    assert html.unescape(page.removeprefix("<p>").removesuffix("</p>")) == f"{shown}/a.bin" and page.count("<") == 2
    assert jobs._moved(path.encode(), ".txt", was, folder).decode() == f"{shown}/a.bin"
    assert jobs._moved(path.encode(), ".bin", was, folder) == path.encode()


def test_build_fails():
    network = dense_network(np.random.default_rng(2), 6, 4, 3)
    job = Building(3, "logic-3", to_bytes(network), BOARD, "counted", "made", 600.0)
    with pytest.raises(CheckFailed, match=r"^the build ended with code 2: no Counted builds logic-3: "):
        build(job, data_of(network))
    with pytest.raises(CheckFailed, match=r"^the build took more than 0 s$"):
        build(replace(job, engine="logic", seconds=0.01), data_of(network))


def test_named():
    """A data set of pictures is read as it is, one of rows of numbers by each way's own integers; equal samples are on
    one side, and the test part is whole.
    """
    found = named("digits", None, {"logic": WAYS["logic"], "reuse": WAYS["reuse"]}, 1)
    assert found.samples == {"training": 1295, "validation": 143, "test": 359}
    assert found.data["logic"] is found.data["reuse"] and found.any.name == "digits"

"""Network flows: what is read, how it becomes bits, and what is refused."""

import gzip

import numpy as np
import pytest

from logicnn.data import datasets, flows
from logicnn.data.dataset import DatasetError, DatasetMissing

HEADER = "id,dur,proto,service,state,spkts,attack_cat,label"
ROWS = ["1,0.5,tcp,-,INT,2,Normal,0", "2,1.5,udp,dns,FIN,4,Worms,1", "3,2.5,udp,-,INT,9,Normal,0"]


def text(*rows: str, header: str = HEADER) -> str:
    return "\r\n".join([header, *rows]) + "\r\n"


def test_flow_columns():
    columns, labels = flows.parse_flows(text(*ROWS), "here")
    assert list(columns) == ["dur", "proto", "service", "state", "spkts"]
    assert columns["dur"].tolist() == [0.5, 1.5, 2.5] and columns["proto"].tolist() == ["tcp", "udp", "udp"]
    assert labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (text(*ROWS, header=HEADER.replace("label", "lable")), r"^here has no column label$"),
        (text(*ROWS, header=HEADER.replace("state", "status")), r"^here has no column state$"),
        (text(ROWS[0], "2,1.5,udp"), r"^here: line 3 has 3 fields, not 8$"),
        (text(ROWS[0].replace("0.5", "nan")), r"^here: column dur holds nan in row 0$"),
        (text(ROWS[0].replace("0.5", "inf")), r"^here: column dur holds inf in row 0$"),
        (text(ROWS[0].replace("0.5", "fast")), r"^here: column dur holds what is no number: .*fast"),
        (text(*ROWS, "4,1,tcp,-,INT,2,Normal,2"), r"^here: labels must lie in 0 ... 1, but row 3 has 2$"),
    ],
)
def test_bad_flows(bad, message):
    with pytest.raises(DatasetError, match=message):
        flows.parse_flows(bad, "here")


def test_encoding_of_flows():
    columns, _ = flows.parse_flows(text(*ROWS), "here")
    bits, names = flows.encode_flows(columns, np.array([True, True, True]), 12)
    said = dict(zip(names, bits.T.tolist(), strict=True)) if len(set(names)) == len(names) else {}
    assert bits.shape == (3, 12) and names[-1] == "unused"
    found = {name: column for name, column in zip(names, bits.T.tolist(), strict=True) if name != "unused"}
    assert said == {} and found == {
        "proto=udp": [0, 1, 1],
        "proto=tcp": [1, 0, 0],
        "service=-": [1, 0, 1],
        "service=dns": [0, 1, 0],
        "state=INT": [1, 0, 1],
        "state=FIN": [0, 1, 0],
        "dur >= 1.5": [0, 1, 1],
        "dur >= 2.5": [0, 0, 1],
        "spkts >= 4": [0, 1, 1],
        "spkts >= 9": [0, 0, 1],
    }


def test_only_training_rows_say_how_flows_are_encoded():
    columns, _ = flows.parse_flows(text(*ROWS), "here")
    _, names = flows.encode_flows(columns, np.array([True, True, False]), 12)
    assert "dur >= 2.5" not in names and "dur >= 1.5" in names


def test_rare_words_share_a_bit():
    columns = {"proto": np.array(["a"] * 3 + [f"p{index}" for index in range(flows.COMMON + 4)])}
    bits, names = flows.encode_flows(columns, np.ones(len(columns["proto"]), bool), flows.COMMON + 1)
    assert names[0] == "proto=a" and names[-1] == "proto other"
    assert (bits.sum(1) == 1).all() and bits[:, -1].sum() == 5


@pytest.mark.parametrize("name", ["nid-82332", "nid-binarized"])
def test_missing(name, tmp_path):
    with pytest.raises(
        DatasetMissing, match=rf"^{name}: no .* in .*; set LOGICNN_DATA or --data-dir to the folder that holds"
    ):
        datasets.load(name, tmp_path)


def test_damaged_flows(tmp_path):
    (tmp_path / "nid").mkdir()
    path = tmp_path / "nid" / flows.FLOWS
    path.write_bytes(gzip.compress(b"id,label\n"))
    with pytest.raises(DatasetError, match=r"csv.gz is not the file that nid-82332 means: its SHA-256 differs"):
        datasets.load("nid-82332", tmp_path)
    path.write_bytes(b"no gzip")
    with pytest.raises(DatasetError, match=r"csv.gz cannot be read: "):
        datasets.load("nid-82332", tmp_path)


def test_binarized_flows(tmp_path):
    (tmp_path / "nid").mkdir()
    table = np.random.default_rng(0).integers(0, 2, (20, 594)).astype(np.float32)
    np.savez(tmp_path / "nid" / "unsw_nb15_binarized.npz", train=table, test=table[:5])
    data = datasets.load("nid-binarized", tmp_path)
    assert data.train.x.shape == (20, 593) and data.test.y.tolist() == table[:5, -1].tolist()
    np.savez(tmp_path / "nid" / "unsw_nb15_binarized.npz", train=table[:, 1:], test=table)
    with pytest.raises(DatasetError, match=r"train must have 594 columns, not shape \(20, 593\)$"):
        datasets.load("nid-binarized", tmp_path)


def test_real_flows_do_not_leak(dataset):
    data = dataset("nid-82332")
    assert len(data.train.x) + len(data.test.x) == 82332 and data.train.x.shape[1] == 593
    assert 0.15 < len(data.test.x) / 82332 < 0.25
    assert not (data.train.x.any(0) == 0).any()  # every bit says something

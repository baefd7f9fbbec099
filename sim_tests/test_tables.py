"""Tables of jets and flows: what is read, how it becomes integers, and what is refused."""

import gzip
import hashlib
import io

import numpy as np
import pytest

from logicnn import datasets, tables
from logicnn.samples import DatasetError, DatasetMissing
from sim_tests.helpers import data_or_skip

HEADER = "id,dur,proto,service,state,spkts,attack_cat,label"
ROWS = ["1,0.5,tcp,-,INT,2,Normal,0", "2,1.5,udp,dns,FIN,4,Worms,1", "3,2.5,udp,-,INT,9,Normal,0"]


def text(*rows: str, header: str = HEADER) -> str:
    return "\r\n".join([header, *rows]) + "\r\n"


def test_flow_columns():
    columns, labels = tables.parse_flows(text(*ROWS), "here")
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
        tables.parse_flows(bad, "here")


def test_encoding_of_flows():
    columns, _ = tables.parse_flows(text(*ROWS), "here")
    bits, names = tables.encode_flows(columns, np.array([True, True, True]), 12)
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
    columns, _ = tables.parse_flows(text(*ROWS), "here")
    _, names = tables.encode_flows(columns, np.array([True, True, False]), 12)
    assert "dur >= 2.5" not in names and "dur >= 1.5" in names


def test_rare_words_share_a_bit():
    columns = {"proto": np.array(["a"] * 3 + [f"p{index}" for index in range(tables.COMMON + 4)])}
    bits, names = tables.encode_flows(columns, np.ones(len(columns["proto"]), bool), tables.COMMON + 1)
    assert names[0] == "proto=a" and names[-1] == "proto other"
    assert (bits.sum(1) == 1).all() and bits[:, -1].sum() == 5


def jet_files(folder, monkeypatch, x, y, features=tables.FEATURES):
    (folder / "jsc_pythia").mkdir()
    sums = {}
    for name in tables.PYTHIA:
        buffer = io.BytesIO()
        np.savez(buffer, x=x, y=y, features=np.array(features))
        (folder / "jsc_pythia" / name).write_bytes(buffer.getvalue())
        sums[name] = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setattr(tables, "PYTHIA", sums)
    return folder


def random_jets():
    rng = np.random.default_rng(1)
    return rng.normal(3.0, 2.0, (400, 16)).astype(np.float32), rng.integers(0, 5, 400).astype(np.int8)


def test_jets_are_standardised_bytes(tmp_path, monkeypatch):
    data = datasets.load("jsc-pythia", jet_files(tmp_path, monkeypatch, *random_jets()))
    assert data.train.real is not None and data.train.x.dtype == np.int8
    assert np.abs(data.train.real.mean(0)).max() < 1e-5 and np.abs(data.train.real.std(0) - 1).max() < 1e-5
    assert np.abs(data.train.x / tables.STEP - data.train.real)[np.abs(data.train.real) < 3.9].max() <= 0.5 / tables.STEP + 1e-6


def test_bad_jets(tmp_path, monkeypatch):
    x, y = random_jets()
    folders = iter(tmp_path / str(index) for index in range(9))

    def load(*arguments):
        folder = next(folders)
        folder.mkdir()
        return datasets.load("jsc-pythia", jet_files(folder, monkeypatch, *arguments))

    broken = x.copy()
    broken[7, 14] = np.nan
    with pytest.raises(DatasetError, match=r"^jsc_pythia: column mass_mmdt holds nan in row 7$"):
        load(broken, y)
    with pytest.raises(DatasetError, match=r"^jsc_pythia: labels must lie in 0 ... 4, but row 0 has 5$"):
        load(x, np.full_like(y, 5))
    with pytest.raises(DatasetError, match=r"missing: multiplicity$"):
        load(x, y, (*tables.FEATURES[:-1], "mult"))
    folder = jet_files(next(folders).parent, monkeypatch, x, y)
    (folder / "jsc_pythia" / "test_r04.npz").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"test_r04.npz is not the file that jsc-pythia means: its SHA-256 differs"):
        datasets.load("jsc-pythia", folder)


@pytest.mark.parametrize("name", ["jsc-pythia", "jsc-openml", "nid-82332", "nid-binarized"])
def test_missing(name, tmp_path):
    with pytest.raises(DatasetMissing, match=rf"^{name}: no .* in .*; set LOGICNN_DATA or --data-dir to the folder that holds"):
        datasets.load(name, tmp_path)


def test_damaged_flows(tmp_path):
    (tmp_path / "nid").mkdir()
    path = tmp_path / "nid" / tables.FLOWS
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


def test_real_jets():
    data = datasets.load("jsc-pythia", data_or_skip("jsc_pythia"))
    assert data.train.x.shape == (187346, 16) and data.test.x.shape == (46889, 16)


def test_real_flows_do_not_leak():
    data = datasets.load("nid-82332", data_or_skip("nid"))
    assert len(data.train.x) + len(data.test.x) == 82332 and data.train.x.shape[1] == 593
    assert 0.15 < len(data.test.x) / 82332 < 0.25
    assert not (data.train.x.any(0) == 0).any()  # every bit says something

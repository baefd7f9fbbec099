"""Jets: what is read, how it becomes integers, and what is refused."""

import hashlib
import io

import numpy as np
import pytest

from logicnn.data import datasets, jets
from logicnn.data.dataset import DatasetError, DatasetMissing


def jet_files(folder, monkeypatch, x, y, features=jets.FEATURES):
    (folder / "jsc_pythia").mkdir()
    sums = {}
    for name in jets.PYTHIA:
        buffer = io.BytesIO()
        np.savez(buffer, x=x, y=y, features=np.array(features))
        (folder / "jsc_pythia" / name).write_bytes(buffer.getvalue())
        sums[name] = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setattr(jets, "PYTHIA", sums)
    return folder


def random_jets():
    rng = np.random.default_rng(1)
    return rng.normal(3.0, 2.0, (400, 16)).astype(np.float32), rng.integers(0, 5, 400).astype(np.int8)


def test_jets_are_standardised_bytes(tmp_path, monkeypatch):
    data = datasets.load("jsc-pythia", jet_files(tmp_path, monkeypatch, *random_jets()))
    assert data.train.real is not None and data.train.x.dtype == np.int8
    assert np.abs(data.train.real.mean(0)).max() < 1e-5 and np.abs(data.train.real.std(0) - 1).max() < 1e-5
    assert (
        np.abs(data.train.x / jets.STEP - data.train.real)[np.abs(data.train.real) < 3.9].max()
        <= 0.5 / jets.STEP + 1e-6
    )


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
        load(x, y, (*jets.FEATURES[:-1], "mult"))
    folder = jet_files(next(folders).parent, monkeypatch, x, y)
    (folder / "jsc_pythia" / "test_r04.npz").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"test_r04.npz is not the file that jsc-pythia means: its SHA-256 differs"):
        datasets.load("jsc-pythia", folder)


@pytest.mark.parametrize("name", ["jsc-pythia", "jsc-openml"])
def test_missing(name, tmp_path):
    with pytest.raises(
        DatasetMissing, match=rf"^{name}: no .* in .*; set LOGICNN_DATA or --data-dir to the folder that holds"
    ):
        datasets.load(name, tmp_path)


def test_real_jets(dataset):
    data = dataset("jsc-pythia")
    assert data.train.x.shape == (187346, 16) and data.test.x.shape == (46889, 16)

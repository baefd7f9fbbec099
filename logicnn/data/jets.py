"""Jets (JSC) as integers: 16 features, standardised by the training part and quantised to signed bytes of 1/32 standard
deviation.

As they were before that, they are `Split.real`. `jsc-pythia` are jets simulated for this project with Pythia, and no
accuracy on them compares with a published one; `jsc-openml` are those of OpenML 42468 (``hls4ml_lhc_jets_hlf``), a
fifth of them, by a fixed permutation, for tests.
"""

from pathlib import Path
from typing import Any

import numpy as np

from logicnn.data.dataset import Dataset, DatasetError, DatasetMissing, Split
from logicnn.data.sources import arrays_of, check_table, folder_of
from logicnn.network import Standardised

__all__ = ["download_jets", "jets", "jets_openml"]

FEATURES = (
    *("zlogz", "c1_b0_mmdt", "c1_b1_mmdt", "c1_b2_mmdt", "c2_b1_mmdt", "c2_b2_mmdt", "d2_b1_mmdt", "d2_b2_mmdt"),
    *(
        "d2_a1_b1_mmdt",
        "d2_a1_b2_mmdt",
        "m2_b1_mmdt",
        "m2_b2_mmdt",
        "n2_b1_mmdt",
        "n2_b2_mmdt",
        "mass_mmdt",
        "multiplicity",
    ),
)
JETS = ("g", "q", "t", "w", "z")
JETS_OPENML = 42468
PYTHIA = {
    "train_r04.npz": "242e03732568848a3bb0b5135d82e8a88d561e01c4283dffe2928a1852b92acc",
    "test_r04.npz": "2acfef947d28860eb4bc5cdb95dca4c289a61c92844f12f2573a6f0d2267943d",
}
STEP = 32  # a standard deviation in quantised units: the word reaches four to each side


def _jets(name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], where: str) -> Dataset:
    for x, y in (train, test):
        if x.ndim != 2 or x.shape[1] != len(FEATURES) or y.shape != x.shape[:1]:
            raise DatasetError(f"{where}: x must be (n, {len(FEATURES)}) and y (n,), not {x.shape} and {y.shape}")
        check_table(x, y, len(JETS), FEATURES, where)
    made = Standardised.of(train[0], FEATURES, STEP, -128, 127)

    def split(x: np.ndarray, y: np.ndarray) -> Split:
        return Split(made.values(x).astype(np.int8), y.astype(np.uint8), made.real(x).astype(np.float32))

    return Dataset(name, JETS, 127, split(*train), split(*test), -128, made)


def jets(folder: Path | None) -> Dataset:
    """`jsc-pythia` from ``jsc_pythia/``."""
    parts = []
    for file, sha256 in PYTHIA.items():
        path = folder_of(folder, "jsc-pythia", "jsc_pythia") / file
        arrays = arrays_of(path, "jsc-pythia", sha256, ("x", "y", "features"))
        if tuple(arrays["features"].tolist()) != FEATURES:
            missing = sorted(set(FEATURES) - set(arrays["features"].tolist()))
            raise DatasetError(
                f"{path}: its columns must be {', '.join(FEATURES)}; missing: "
                f"{', '.join(missing) or 'none, but the order differs'}"
            )
        parts.append((arrays["x"], arrays["y"].astype(np.int64)))
    return _jets("jsc-pythia", parts[0], parts[1], "jsc_pythia")


def jets_openml(folder: Path | None) -> Dataset:
    """`jsc-openml` from ``jsc_openml/jets.npz``, which `download_jets` writes."""
    path = folder_of(folder, "jsc-openml", "jsc_openml") / "jets.npz"
    arrays = arrays_of(path, "jsc-openml", None, ("x", "y"))
    x, y = arrays["x"], arrays["y"].astype(np.int64)
    order = np.random.default_rng(42).permutation(len(x))
    held, kept = order[: len(x) // 5], order[len(x) // 5 :]
    return _jets("jsc-openml", (x[kept], y[kept]), (x[held], y[held]), str(path))


def download_jets(folder: Path) -> None:
    """Fetches OpenML 42468 through scikit-learn (from the `train` extra) into ``jsc_openml/jets.npz``."""
    try:
        from sklearn.datasets import fetch_openml
    except ImportError:
        raise DatasetMissing("jsc-openml: scikit-learn is not installed; pip install logicnn[train]") from None
    path = folder / "jsc_openml" / "jets.npz"
    if path.is_file():
        return
    try:
        table: Any = fetch_openml(
            data_id=JETS_OPENML, as_frame=False, parser="liac-arff", data_home=str(folder / "jsc_openml")
        )
    except (OSError, ValueError) as error:
        raise DatasetError(f"jsc-openml: OpenML {JETS_OPENML} cannot be fetched: {error}") from None
    names = [str(each).removeprefix("j_") for each in table.feature_names]
    missing = [each for each in FEATURES if each not in names]
    if missing:
        raise DatasetError(f"jsc-openml: OpenML {JETS_OPENML} has no column {missing[0]}")
    x = np.asarray(table.data)[:, [names.index(each) for each in FEATURES]].astype(np.float32)
    labels = np.asarray(table.target).astype(str)
    unknown = sorted(set(labels) - set(JETS))
    if unknown:
        raise DatasetError(f"jsc-openml: unknown class {unknown[0]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, x=x, y=np.array([JETS.index(each) for each in labels], np.int8))

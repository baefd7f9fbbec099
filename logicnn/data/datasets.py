"""Data sets by name, as integers: what networks are trained on, and verified with. No torch; one that is missing says
so by name.
"""

import os
from collections.abc import Callable
from pathlib import Path

from logicnn.data.cifar import cifar10_jpeg
from logicnn.data.dataset import Dataset, DatasetError, DatasetMissing, Split
from logicnn.data.digits import digits, mnist
from logicnn.data.fibre import symbols
from logicnn.data.flows import flows, flows_binarized
from logicnn.data.jets import jets, jets_openml
from logicnn.data.sources import data_folder

__all__ = ["Dataset", "DatasetError", "DatasetMissing", "Split", "known", "load", "needs_folder"]

LOADERS: dict[str, Callable[[Path | None], Dataset]] = {
    "mnist": mnist,
    "digits": digits,
    "cifar10-jpeg": cifar10_jpeg,
    "jsc-pythia": jets,
    "jsc-openml": jets_openml,
    "nid-82332": flows,
    "nid-binarized": flows_binarized,
    "ofc-sim": symbols,
}
WITHOUT_FILES = "digits", "ofc-sim"  # bundled with scikit-learn, and simulated


def known() -> list[str]:
    return sorted(LOADERS)


def needs_folder(name: str) -> bool:
    """Whether a data set of this name reads files from a data folder."""
    return name in LOADERS and name not in WITHOUT_FILES


def load(name: str, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """A data set by name, from `folder` or LOGICNN_DATA where it needs files.

    Raises `DatasetMissing` where it is not there, `DatasetError` where it is damaged or unknown.
    """
    if name not in LOADERS:
        raise DatasetError(f"unknown data set {name!r}; known: {', '.join(known())}")
    return LOADERS[name](data_folder(folder))

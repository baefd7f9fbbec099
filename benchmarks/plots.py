"""Plots of measurements: the same file for the same figures, without a display."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

__all__ = ["pyplot", "save"]


def pyplot() -> Any:
    """matplotlib's pyplot, drawing to files, with names in SVG that do not change from run to run."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "logicnn"
    from matplotlib import pyplot

    return pyplot


def save(figure: Any, path: Path) -> None:
    """Writes `path` with the suffixes .svg and .png, and closes the figure."""
    figure.tight_layout()
    for suffix in (".svg", ".png"):
        figure.savefig(path.with_suffix(suffix), metadata={"Date": None} if suffix == ".svg" else None)
    pyplot().close(figure)

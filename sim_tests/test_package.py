"""What is installed, what an import costs, and that the layers of the package stay apart."""

import ast
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import logicnn

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "logicnn").rglob("*.py"))
# Import order of docs/architecture.md: a module imports from earlier groups only, or from its own.
GROUPS = [
    ["errors"],
    ["bits", "resources", "digest", "flash", "flash_chip"],
    ["values", "preparation"],
    ["integers"],
    ["network"],
    ["protocol"],
    ["samples", "tables", "images", "fibre"],
    ["files", "fold", "datasets", "profiling", "adders", "retiming", "patterns"],
    ["pairs"],
    ["sharing"],
    ["popcounts", "pipelines", "constants", "substitution"],
    ["embedding", "walks", "kernels"],
    ["sparse"],
    ["mapping"],
    ["estimate"],
    ["nn", "gateware"],
    ["netlist", "timing", "tools", "progress", "boards", "placement"],
    ["circuit"],
    ["cells", "native"],
    ["simulate"],
    ["verify"],
    ["verify_engine"],
    ["report", "stages"],
    ["host", "inputs", "simulated_board"],
    ["build", "export", "run", "cli"],
]
RANK = {module: rank for rank, group in enumerate(GROUPS) for module in group}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def test_import_is_light():
    assert python("import logicnn, sys; print(sorted({'torch', 'amaranth', 'sklearn', 'rich', 'llvmlite'} & set(sys.modules)))") == "[]"


def test_import_is_fast():
    timed = "import time; start = time.perf_counter(); import logicnn; print(time.perf_counter() - start)"
    assert min(float(python(timed)) for _ in range(3)) < 0.3


def test_nn_and_gateware_apart():
    assert python("import logicnn.gateware, sys; print('torch' in sys.modules)") == "False"
    assert python("import logicnn.nn, sys; print('amaranth' in sys.modules)") == "False"


def imports_of(path: Path) -> set[str]:
    """Top-level modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" if node.module == "logicnn" else node.module for alias in node.names]
        else:
            continue
        found |= {parts[1] for name in names if (parts := name.split("."))[0] == "logicnn" and len(parts) > 1}
    return found & set(RANK)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_import_order(path):
    parts = path.relative_to(ROOT / "logicnn").with_suffix("").parts
    if parts[0] == "__init__":
        assert imports_of(path) <= {"errors", "files", "network"}
        return
    later = {name for name in imports_of(path) if RANK[name] > RANK[parts[0]]}
    # The board top is gateware; `build` alone brings it and the tools together.
    assert not later, f"{path.name} imports from a later group: {later}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names(path):
    """`__all__` names things that exist, and every module but the data folders has one."""
    if path.parent.name == "_boards":
        pytest.skip("data")
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if ".nn" in name:
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    assert module.__all__ and all(hasattr(module, each) for each in module.__all__)


def test_top_level_names():
    assert set(logicnn.__all__) == {"CheckFailed", "LogicnnError", "Network", "load", "save"}


def wheel(folder: Path, version: str = "standard") -> zipfile.ZipFile:
    build = (
        "import sys; from hatchling.builders.wheel import WheelBuilder\n"
        "print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=[sys.argv[3]])))"
    )
    done = subprocess.run([sys.executable, "-c", build, str(ROOT), str(folder), version], check=True, capture_output=True, text=True)
    return zipfile.ZipFile(done.stdout.strip().splitlines()[-1])


def test_wheel(tmp_path):
    """Only `logicnn` at top level; networks and board files inside it."""
    names = wheel(tmp_path).namelist()
    assert {name.split("/")[0] for name in names} - {"logicnn"} == {f"logicnn-{logicnn.__version__}.dist-info"}
    assert {
        "logicnn/_boards/icebreaker.py",
        "logicnn/_boards/ulx3s.py",
        "logicnn/models/mnist-bnn.lnn",
        "logicnn/models/digits-bnn.lnn",
    } <= set(names)


def test_editable(tmp_path):
    """An editable install has no folder `logicnn` of its own, which would hide the checkout from the command `logicnn`."""
    assert not [name for name in wheel(tmp_path, "editable").namelist() if name.startswith("logicnn/")]


def test_wheel_works_elsewhere(tmp_path):
    """Unpacked in another folder, without the checkout, it finds its boards and networks."""
    site = tmp_path / "site"
    wheel(tmp_path).extractall(site)
    code = (
        "import sys; sys.path[:] = [path for path in sys.path if path != sys.argv[2]]; sys.path.insert(0, sys.argv[1])\n"
        "import logicnn; from logicnn import boards\n"
        "print(logicnn.__file__.startswith(sys.argv[1]), boards.names(), boards.find('icebreaker').device.name)\n"
        "print(logicnn.load('digits-bnn').name)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(site), str(ROOT)], check=True, capture_output=True, text=True, cwd=tmp_path
    ).stdout
    assert found == "True ['ice40_hx8k_b_evn', 'icebreaker', 'ulx3s'] iCE40UP5K\ndigits-bnn\n"

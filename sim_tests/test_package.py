"""What is installed, what an import costs, and that the layers of the package stay apart."""

import ast
import importlib
import re
import subprocess
import sys
import zipfile
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import logicnn
from logicnn.board import boards

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "logicnn").rglob("*.py"))
OTHERS = sorted(path for room in ("benchmarks", "boards", "sim_tests", "train") for path in (ROOT / room).rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GROUND = {"errors", "bits", "resources", "storage"}
DOORS = {"__init__", "__main__", "build"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SOURCES}


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()


def test_import_is_light():
    assert (
        python(
            "import logicnn, sys; print(sorted({'torch', 'amaranth', 'sklearn', 'rich', 'llvmlite'} & "
            "set(sys.modules)))"
        )
        == "[]"
    )


def test_import_is_fast():
    timed = "import time; start = time.process_time(); import logicnn; print(time.process_time() - start)"
    assert min(float(python(timed)) for _ in range(3)) < 0.3


def test_nn_and_gateware_apart():
    assert python("import logicnn.gateware, sys; print('torch' in sys.modules)") == "False"
    assert python("import logicnn.nn, sys; print('amaranth' in sys.modules)") == "False"


def levels() -> dict[str, int]:
    """The import order of docs/architecture.md: the level of each room."""
    found = {}
    for level, rooms in re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / "docs" / "architecture.md").read_text(), re.M):
        found |= dict.fromkeys(re.findall(r"`(\w+)`", rooms), int(level))
    return found


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def imports_of(module: str) -> set[str]:
    """Modules of the package that a module imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports by a relative name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {each if each in MODULES else str(node.module) for each in names}
    return (found & set(MODULES)) - {module}


def test_every_room_is_in_the_table():
    assert set(levels()) == {room_of(module) for module in MODULES} - {"__init__"}
    assert max(levels().values()) < 12
    assert {path.stem for path in (ROOT / "logicnn").glob("*.py")} == GROUND | DOORS


def test_picture():
    """The picture of the rooms shows each, and the lower below the higher."""
    picture = (ROOT / "docs" / "rooms.svg").read_text()
    shown = re.findall(r'y="(\d+)"[^>]*font-weight="bold"[^>]*>(\w+)<', picture)
    heights = {name: int(height) for height, name in shown}
    assert set(heights) == set(levels()) - DOORS
    for name, height in heights.items():
        assert all(height > heights[each] for each in heights if levels()[each] > levels()[name])


@pytest.mark.parametrize("module", MODULES)
def test_import_order(module):
    """From lower levels or from its own room; the package itself hands on the network and the errors."""
    rooms = {room_of(each) for each in imports_of(module)} - {room_of(module)}
    if module == "logicnn":
        assert rooms <= {"errors", "network"}
        return
    level = levels()
    later = {each for each in rooms - {"__init__"} if level[each] >= level[room_of(module)]}
    assert not later, f"{module} imports from rooms that are not below its own: {later}"


def test_no_circle():
    """No module imports itself through others, inside its room either."""
    graph = {module: imports_of(module) for module in MODULES}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError with the circle


@pytest.mark.parametrize("page", [*PAGES, *SOURCES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_names_in_pages(page):
    """What README, docs, docstrings and comments name is there: modules, and what is in them, by their whole names or
    from their room on.
    """
    words = set(re.findall(r"`((?:logicnn\.)?(?:[a-z_]+\.)+\w+)`", page.read_text()))
    for word in sorted(words):
        name = word if word.startswith("logicnn.") else f"logicnn.{word}"
        if room_of(name) not in levels() or name.endswith((".html", ".json")):  # files of a room's name
            continue
        if ".nn" in name:
            pytest.importorskip("torch")
        assert exists(name), f"{page.name} names {word}, which is not there"


def exists(name: str) -> bool:
    if name in MODULES or name in {module.rpartition(".")[0] for module in MODULES}:
        return True
    module, _, attribute = name.rpartition(".")
    return module in MODULES and hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", MODULES)
def test_public_names(name):
    """`__all__` names things that exist; only what defines nothing has none."""
    if ".nn" in name:
        pytest.importorskip("torch")
    if name == "logicnn.__main__":
        return  # importing it runs the command
    module = importlib.import_module(name)
    defines = any(
        isinstance(node, ast.ClassDef | ast.FunctionDef) for node in ast.parse(MODULES[name].read_text()).body
    )
    public = getattr(module, "__all__", [])
    assert all(hasattr(module, each) for each in public) and (public or not defines)


def test_top_level_names():
    assert set(logicnn.__all__) == {"CheckFailed", "LogicnnError", "Network", "load", "save"}


def wheel(folder: Path, version: str = "standard") -> zipfile.ZipFile:
    build = (
        "import sys; from hatchling.builders.wheel import WheelBuilder\n"
        "print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=[sys.argv[3]])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", build, str(ROOT), str(folder), version], check=True, capture_output=True, text=True
    )
    return zipfile.ZipFile(done.stdout.strip().splitlines()[-1])


def test_wheel(tmp_path):
    """Only `logicnn` at top level; networks and board files inside it."""
    names = wheel(tmp_path).namelist()
    assert {name.split("/")[0] for name in names} - {"logicnn"} == {f"logicnn-{logicnn.__version__}.dist-info"}
    assert {
        "logicnn/_boards/icebreaker.py",
        "logicnn/_boards/ulx3s.py",
        "logicnn/models/mnist-bnn.lnn",
        "logicnn/models/mnist-luts.lnn",
        "logicnn/models/digits-bnn.lnn",
    } <= set(names)


def test_editable(tmp_path):
    """An editable install has no folder `logicnn` of its own, which would hide the checkout from the command
    `logicnn`.
    """
    assert not [name for name in wheel(tmp_path, "editable").namelist() if name.startswith("logicnn/")]


def test_wheel_works_elsewhere(tmp_path):
    """Unpacked in another folder, without the checkout, it finds its boards and networks."""
    site = tmp_path / "site"
    wheel(tmp_path).extractall(site)
    code = (
        "import sys; sys.path[:] = [path for path in sys.path if path != sys.argv[2]]; sys.path.insert(0, "
        "sys.argv[1])\n"
        "import logicnn; from logicnn.board import boards\n"
        "print(logicnn.__file__.startswith(sys.argv[1]), len(boards.names()), boards.find('icebreaker').device.name)\n"
        "print(logicnn.load('digits-bnn').name)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(site), str(ROOT)], check=True, capture_output=True, text=True, cwd=tmp_path
    ).stdout
    assert found == f"True {len(boards.names())} iCE40UP5K\ndigits-bnn\n"

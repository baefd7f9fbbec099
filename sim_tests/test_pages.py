"""The pages of docs/ hold: their code runs, their commands are those of the command line, what they list is all there
is.
"""

import doctest
import importlib.util
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Fragment

from benchmarks.tables import record_of
from logicnn import load
from logicnn.build import main as build_main
from logicnn.commands import cli
from logicnn.commands.command import Command
from logicnn.engines import Engine
from logicnn.flow import tools
from logicnn.flow.verilog import export
from logicnn.network import Layer, shipped
from logicnn.resources import DEVICES
from sim_tests.helpers import dense_network
from sim_tests.page_helpers import NOT_RUN, PAGES, ROOT, blocks, commands, prose

DOCS = ROOT / "docs"
LANGUAGES = {"", "pycon", "python", "sh", "yosys"}
# Pages whose code other tests run, with a board, or with less to train
ELSEWHERE = {
    "host.md": "board/test_host.py",
    "own_data.md": "nn/test_search.py",
    "tables.md": "nn/test_tables.py",
}
WITH_TORCH = {"own_model.md"}
HERE = [
    page
    for page in PAGES
    if page.name not in ELSEWHERE and any(each.language in ("python", "pycon") for each in blocks(page.read_text()))
]


def by_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def names_of(tmp_path_factory, short_search):
    """What the code of a page leaves, all of it run in order, in an empty folder."""
    found: dict[Path, dict] = {}

    def run(page: Path) -> dict:
        if page not in found:
            names: dict = {"__name__": page.stem}
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path_factory.mktemp(page.stem))
                prepare(page)
                for block in blocks(page.read_text()):
                    if block.language == "python" and not block.title.startswith(NOT_RUN):
                        exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
                    elif block.language == "pycon":
                        answered(page, block.code, block.line, names)
            for value in names.values():
                if isinstance(value, Elaboratable):
                    Fragment.get(value, None)  # what a page makes is gateware
            found[page] = names
        return found[page]

    return run


def prepare(page: Path) -> None:
    """What a reader of the page has."""
    if page.name == "importing.md":
        from logicnn.flow.qonnx import exported

        Path("mine.onnx").write_bytes(exported(load("mnist-bnn")))


def answered(page: Path, code: str, line: int, names: dict) -> None:
    """A session with Python gives what the page says."""
    test = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), line - 1)
    runner, said = doctest.DocTestRunner(verbose=False), []
    runner.run(test, out=said.append, clear_globs=False)
    assert test.examples and not runner.failures, "".join(said)
    names |= test.globs


@pytest.mark.parametrize("page", HERE, ids=by_name)
def test_code_runs(page, names_of):
    if page.name in WITH_TORCH:
        pytest.importorskip("torch")
    if page.name == "importing.md":
        pytest.importorskip("onnx")
    assert len(names_of(page)) > 1


@pytest.mark.parametrize("page", ELSEWHERE)
def test_code_runs_elsewhere(page):
    assert f'"docs" / "{page}"' in (ROOT / "sim_tests" / ELSEWHERE[page]).read_text()


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_blocks(page):
    """No code goes unseen: fences in pairs, with a language that is known; what is not run says why."""
    text = page.read_text()
    found = [*blocks(text)]
    assert text.count("```") == 2 * sum(1 for each in found if each.line)
    assert {each.language for each in found} <= LANGUAGES
    assert all(each.language for each in found if each.line)
    assert all(re.fullmatch(rf"{NOT_RUN}.{{10,}}", each.title) for each in found if each.title)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_commands_parse(page, monkeypatch):
    """Every command of the package is one that it has, with the options that it has."""
    seen = []
    monkeypatch.setattr(Command, "guarded", lambda self, arguments: seen.append(self.name) or 0)
    for command in commands(page.read_text()):
        match shlex.split(command, comments=True):
            case ["logicnn", *words]:
                assert cli.main(words) == 0, command
                assert seen.pop() == words[0]
            case ["python", "-m", "logicnn.build", *words]:
                assert build_main(words) == 0, command
                assert seen.pop() == "build"
            case ["python", "-m", module, *words] if module.split(".")[0] in ("train", "benchmarks"):
                assert_options(module, words)


def assert_options(module: str, words: list[str]) -> None:
    """A recipe or a benchmark that is there names the options that it is given."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None, module
    sources = [Path(spec.origin), ROOT / "benchmarks" / "common.py"]
    text = "".join(source.read_text() for source in sources)
    for word in words:
        assert not word.startswith("--") or f'"{word}"' in text, f"{module} has no option {word}"


def test_an_option_that_is_gone_is_found(capsys):
    with pytest.raises(SystemExit):
        cli.main(["build", "--board", "icebreaker", "--speed", "9"])
    assert "unrecognized arguments: --speed 9" in capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_commands_in_the_text(page):
    """A command in a sentence may lack what it needs; it is there, and so are its options."""
    helped = {}
    for command in cli.subcommands():
        parser = ArgumentParser()
        command.add_arguments(parser)
        helped[command.name] = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", parser.format_help()))
    for span in re.findall(r"`([^`]+)`", prose(page.read_text())):
        match span.split():
            case ["logicnn", name, *words] | ["python", "-m", "logicnn", name, *words]:
                options = {word for word in words if word.startswith("-")}
                assert name in helped and options <= helped[name], span
            case ["python", "-m", "logicnn.build", *words]:
                assert {word for word in words if word.startswith("-")} <= helped["build"], span
            case ["python", "-m", module, *words] if module.split(".")[0] in ("train", "benchmarks"):
                assert_options(module, words)


def test_design(names_of):
    """Mappings take the time that the page says."""
    names = names_of(DOCS / "design.md")
    assert names["labels"].shape == (359,) and names["core"].latency == 0
    assert names["answers"] == names["labels"][:3].tolist()  # in Amaranth's simulator
    assert names["accelerator"].interval == names["pipeline"].interval == 1 and names["pipeline"].latency.least == 5
    assert names["pipeline"].cost(DEVICES["iCE40UP5K"]).ff > 0
    assert np.array_equal(names["graph"].matrix, [[93, -7, 45], [46, 14, -90]])


def test_tutorial(names_of):
    """The report is that of the record; the picture is the digit that the page speaks of."""
    text = (DOCS / "tutorial.md").read_text()
    (row,) = [
        row for row in record_of("boards")["placed"] if (row["board"], row["model"]) == ("icebreaker", "digits-bnn")
    ]
    assert f"logic cells        {row['logic_cells']} of {DEVICES['iCE40UP5K'].capacity.logic_cells} " in text
    assert f"estimated {row['estimated_logic_cells']}\n" in text
    assert f"core delay         {row['core_delay_ns']:.1f} ns" in text
    assert f"netlist check      {row['vectors']} of {row['vectors']} vectors equal: {row['dataset']}\n" in text
    assert f"accuracy           {row['accuracy']:.2%} of" in text
    names = names_of(DOCS / "tutorial.md")
    assert (names["classes"] == names["test"].y).mean() == row["accuracy"]
    back = names["network"].preparation.values(names["Image"].fromarray(names["greys"]))
    assert np.array_equal(back, names["test"].x[0])


def test_engines():
    """The overview has every engine of the package."""
    text = (DOCS / "engines.md").read_text()
    for kind in Engine.types:
        if kind.__module__.startswith("logicnn."):
            assert f"`{kind.__name__}`" in text or f"`{kind.__name__.lower()}`" in text, kind.__name__


def test_network_file():
    """The page has every type of layer, and every field and array of the networks here."""
    text = (DOCS / "network_file.md").read_text()
    for name, kind in Layer.types.items():
        assert f"`{name}`" in text or not kind.__module__.startswith("logicnn."), name
    for name in shipped():
        for layer in load(name).layers:
            fields, arrays = layer.described()
            assert all(re.search(rf"`\"?{each}\b", text) for each in (*fields, *arrays)), (name, layer)


def test_area(tmp_path):
    """The script counts transistors of what an export gives."""
    script, _ = [each.code for each in blocks((DOCS / "area.md").read_text()) if each.language == "yosys"]
    export(dense_network(np.random.default_rng(1), 20, 8, 3), "digits", tmp_path, stream=False).write(
        tmp_path / "digits.v", False
    )
    (tmp_path / "area.ys").write_text(script)
    tools.run(["yosys", "-q", "area.ys"], tmp_path, "area.log")
    (count,) = re.findall(r"Estimated number of transistors:\s+(\d+)", (tmp_path / "area.txt").read_text())
    assert int(count) > 500


def test_site():
    """Links of a page are turned to where the site has what they lead to."""
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / ".ci" / "site.py")
    assert spec is not None and spec.loader is not None
    site = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site)
    text = "[a](docs/host.md#on-the-line) [b](LICENSE) [c](https://x.org/docs/y) [d](#here)"
    assert site.adapted(text, "README.md") == text.replace("docs/host", "host")
    text = "[a](../benchmarks/results/luts.png) [b](../README.md) [c](tables.md#x) [d](api/nn.md)"
    expected = "[a](benchmarks/results/luts.png) [b](index.md) [c](tables.md#x) [d](api/nn.md)"
    assert site.adapted(text, "docs/results.md") == expected
    assert site.adapted("[a](../host.md) [b](../../LICENSE)", "docs/api/nn.md") == "[a](../host.md) [b](../LICENSE)"
    assert site.FETCHED.findall('<script src="https://x.org/a.js"></script><a href="https://x.org">') == [
        '<script src="https://x.org/a.js"'
    ]


def test_every_page_is_in_the_site():
    """mkdocs.yml names each."""
    found = re.findall(r"^ +- (?:.+: )?([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {str(page.relative_to(DOCS)) for page in PAGES if page.is_relative_to(DOCS)}
    assert set(found) == pages | {"index.md", "changelog.md", "contributing.md"} and len(found) == len(set(found))


def test_changelog():
    """Its lines begin with what was done."""
    done = {"Add", "Answer", "Choose", "Compile", "Count", "Fix", "Keep", "Leave", "Move", "Read", "Refuse", "Rename"}
    done |= {"Report", "Ship", "Take", "Warn"}
    text = (ROOT / "CHANGELOG.md").read_text()
    lines = re.findall(r"^- (\w+)", text, re.MULTILINE)
    assert len(lines) == text.count("\n- ") and set(lines) <= done

"""What a benchmark may run: names, followed through imports, packages, commands and registers; and nothing else."""

from pathlib import Path

import pytest

from benchmarks.reach import reached

ROOT = Path(__file__).parents[1]


def units(root: Path, **modules: str) -> set[str]:
    """Of benchmarks/speed.py, among modules by names as a__b for a.b; folders are packages unless they are given."""
    for name, text in modules.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(root).parents[:-1]:
            (root / folder / "__init__.py").touch()
        path.write_text(text)
    for name, text in modules.items():
        if root.joinpath(*name.split("__")).is_dir():
            root.joinpath(*name.split("__"), "__init__.py").write_text(text)
            root.joinpath(*name.split("__")).with_suffix(".py").unlink()
    return {f"{source.module}:{name}" for source, name in reached("speed", root)} - {"benchmarks.speed:main"}


CASES = {
    "a function, and what it names": (
        {
            "benchmarks__speed": "from logicnn.a import f\ndef main(): return f()\n",
            "logicnn__a": "X = 1\nY = 2\ndef f(): return g() + X\ndef g(): return 1\ndef h(): return Y\n",
        },
        {"logicnn.a:f", "logicnn.a:g", "logicnn.a:X"},
    ),
    "through a package, and a module's attribute": (
        {
            "benchmarks__speed": "from logicnn import p\nfrom logicnn.p import f\ndef main(): return f(), p.b.g()\n",
            "logicnn__p": "from logicnn.p.a import f\n",
            "logicnn__p__a": "def f(): return 1\ndef g(): return 1\n",
            "logicnn__p__b": "def f(): return 1\ndef g(): return 1\n",
        },
        {"logicnn.p.a:f", "logicnn.p.b:g"},
    ),
    "a package's name goes before its module of that name": (
        {
            "benchmarks__speed": "from logicnn.p import f\ndef main(): return f()\n",
            "logicnn__p": "from logicnn.p.f import f\n",
            "logicnn__p__f": "def f(): return 1\ndef g(): return 1\n",
        },
        {"logicnn.p.f:f"},
    ),
    "local names are others": (
        {
            "benchmarks__speed": "from logicnn.a import f\ndef main(): return f()\n",
            "logicnn__a": "from logicnn import b\ndef f(): return g(1)\ndef g(b, c=2):\n    y = lambda z: (z, x)\n"
            "    return [h for h in b] + [y]\ndef h(): return 1\nx = b.k\ny = 1\nz = 1\nclass D: h = 1\n",
            "logicnn__b": "k = 1\nj = 2\n",
        },
        {"logicnn.a:f", "logicnn.a:g", "logicnn.a:x", "logicnn.b:k"},
    ),
    "a class with its bases, not annotations": (
        {
            "benchmarks__speed": "import logicnn.a as a\ndef main(x: 'a.D') -> a.D: return a.C()\n",
            "logicnn__a": "class A: pass\nclass B(A): pass\nclass C(B):\n    x: 'D'\n    y = 1\nclass D: pass\n",
        },
        {"logicnn.a:A", "logicnn.a:B", "logicnn.a:C"},
    ),
    "methods whose names are used, whatever of; special ones always; types that are checked never": (
        {
            "benchmarks__speed": "from logicnn.a import A, B\ndef main(): return A().f(), getattr(B, 'h.k')\n",
            "logicnn__a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import logicnn.b\n"
            "class A:\n    def __init__(self): self.x = 1\n    def f(self): return self.g\n"
            "    @property\n    def g(self): return 1\n    def unused(self): return X\n"
            "class B:\n    def g(self): return 2\n    def h(self): return self.k()\n    def other(self): return Y\n"
            "class Z:\n    def f(self): return 3\nX = 1\nY = 2\n",
            "logicnn__b": "X = 3\n",
        },
        {"logicnn.a:A", "logicnn.a:A.f", "logicnn.a:A.g", "logicnn.a:B", "logicnn.a:B.g", "logicnn.a:B.h"},
    ),
    "all methods of classes that others call": (
        {
            "benchmarks__speed": "from logicnn.a import C\ndef main(): return C()\n",
            "logicnn__a": "from abc import ABC\nfrom torch import nn\n"
            "class A(nn.Module):\n    def f(self): return g()\n"
            "class B(ABC):\n    def f(self): return 1\n    def i(self): return 1\n"
            "class C(A, B):\n    def h(self): return 1\ndef g(): return 1\n",
        },
        {
            "logicnn.a:A",
            "logicnn.a:A.f",
            "logicnn.a:B",
            "logicnn.a:B.f",
            "logicnn.a:B.i",
            "logicnn.a:C",
            "logicnn.a:C.h",
            "logicnn.a:g",
        },
    ),
    "classes that register themselves, and modules that a package finds": (
        {
            "benchmarks__speed": "from logicnn.p.base import A\ndef main(): return A\n",
            "logicnn__p": "from pkgutil import iter_modules\nfor _each in iter_modules(__path__): pass\n",
            "logicnn__p__base": "class A:\n    def __init_subclass__(cls): pass\nclass Z: pass\n",
            "logicnn__p__more": "from logicnn.p.base import A, Z\nclass B(A): pass\nclass C(B): pass\n"
            "class Y(Z): pass\n",
        },
        {"logicnn.p:", "logicnn.p.base:A", "logicnn.p.more:B", "logicnn.p.more:C"},
    ),
    "modules that are found, and run as commands": (
        {
            "benchmarks__speed": "RUN = 'train.one'\ndef main(): return ['python', '-m', 'logicnn']\n",
            "train__one": "def main(): return 1\nif __name__ == '__main__': main()\n",
            "logicnn____main__": "from logicnn.cli import main\nif __name__ == '__main__': main()\n",
            "logicnn__cli": "from pkgutil import iter_modules\ndef main(): return iter_modules('logicnn')\n",
            "logicnn__other": "x = 1\nif __name__ == '__main__': print()\n",
        },
        {
            "benchmarks.speed:RUN",
            "train.one:main",
            "train.one:__main__",
            "logicnn.__main__:__main__",
            "logicnn.cli:main",
            "logicnn.other:x",
            "logicnn.other:__main__",
        },
    ),
    "cases of a function, wherever; what importing does": (
        {
            "benchmarks__speed": "from logicnn import a\ndef main(): return a.f(1)\n",
            "logicnn__a": "from functools import singledispatch\nimport logicnn.b\n@singledispatch\ndef f(x): pass\n"
            "@f.register\ndef _(x: K): return g()\ndef g(): return 1\nclass K: pass\n"
            "@f.register\ndef _(x: L): return 2\nclass L: pass\n",
            "logicnn__b": "from logicnn.a import f, K\nprint(K)\n@f.register\ndef _(x: b.M): return h()\n"
            "def h(): return 1\nclass M: pass\nfrom logicnn import b\nprint(M)\n",
        },
        {
            *("logicnn.a:f", "logicnn.a:f:K", "logicnn.a:g", "logicnn.a:K"),
            *("logicnn.b:", "logicnn.b:f:b.M", "logicnn.b:h", "logicnn.b:M"),
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reached(tmp_path, name):
    modules, expected = CASES[name]
    if "logicnn____main__" in modules:
        (tmp_path / "logicnn").mkdir()
        (tmp_path / "logicnn" / "__init__.py").touch()
        (tmp_path / "logicnn" / "__main__.py").write_text(modules["logicnn____main__"])
        modules = {key: text for key, text in modules.items() if key != "logicnn____main__"}
    assert units(tmp_path, **modules) == expected


def test_benchmarks():
    """Of ours: training has no business with boards and links, a build of a whole board with all of them."""
    trained = {source.module for source, _ in reached("reuse_train", ROOT)}
    assert {"train.bcnn", "logicnn.nn.binary.alike", "logicnn.data.digits", "logicnn.network.layers.pool"} <= trained
    assert not any(each.startswith(("logicnn.gateware", "logicnn.board", "logicnn.flow")) for each in trained)
    built = {f"{source.module}:{name}" for source, name in reached("reuse", ROOT)}
    assert {"logicnn.gateware.board.link:Link", "logicnn.engines.differences:Differences"} <= built
    board = {f"{source.module}:{name}" for source, name in reached("boards", ROOT)}
    unrolled = "logicnn.gateware.unrolled"
    assert {
        *("logicnn.gateware.reused:ReuseEngine", "logicnn.gateware.folded:FoldedLayer", f"{unrolled}:Argmax"),
        *(f"{unrolled}:put:Unrolled", f"{unrolled}:layer_component:network.Argmax"),
        *("logicnn.engines.reused:Reused", "boards.icebreaker:board"),
    } <= board
    own = {source.module for source, _ in reached("own_data", ROOT)}
    assert {"logicnn.nn.search", "logicnn.commands.train", "logicnn.flow.build", "train.mnist_bnn"} <= own

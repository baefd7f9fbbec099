"""Which statements of this repository a benchmark may run, by reading them: functions, classes and constants that its
module names, those that these name, and so on.

Names are followed through imports and packages that pass them on, and modules that are run as commands. A class is
taken with its bases, but of its methods only those whose names are used in anything that is reached; of a class with a
base from elsewhere, which may call any of them, all. Found by no name are classes that register themselves with a base
(`__init_subclass__`), cases that a function gets elsewhere (`register`), modules that a package finds in its folder
(`iter_modules`), and files of boards; they count where the base, the function, the package, or what loads boards does.
What a module does when it is imported, beside binding names, counts wherever it is imported, but for imports that only
type checkers make. Annotations say nothing about what runs, and networks and other data are not looked at.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

__all__ = ["PACKAGES", "Source", "Unit", "reached"]

PACKAGES = ("logicnn", "boards", "train", "benchmarks", "sim_tests")
# How figures are written down and drawn, not how they come about
BESIDE = {f"benchmarks.{name}" for name in ("common", "provenance", "reach", "plots")}
REST = ""  # the name of what a module does beside binding names
PLAIN = {"ABC", "Exception", "Generic", "NamedTuple", "Protocol"}  # bases that call no method of ours by its name
MAIN = "__main__"  # and of what it does as a command
CASE = ":"  # between a function and the class of which it has one more case, registered wherever it is
# Bases all of whose classes are asked, those that came later, too; others are looked up by their names
ASKED = {("logicnn.engines.engine", "Engine")}
Unit = tuple[str, str]  # a module, and a name in it
Named = tuple[str, tuple[str, ...]]  # a module, and names: one in it, one in that, ...
Functions = (ast.FunctionDef, ast.AsyncFunctionDef)


def _targets(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement of a module binds, other than imports."""
    match statement:
        case ast.FunctionDef(decorator_list=[*_, ast.Attribute(ast.Name(name), "register")]):
            yield f"{name}{CASE}{ast.unparse(statement.args.args[0].annotation or ast.Constant(None))}"
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            yield name
        case ast.Assign(targets):
            yield from (node.id for each in targets for node in ast.walk(each) if isinstance(node, ast.Name))
        case ast.AnnAssign(ast.Name(name)) | ast.AugAssign(ast.Name(name)):
            yield name


def _is_main(statement: ast.stmt) -> bool:
    """``if __name__ == "__main__":``"""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'"


def _is_for_types(statement: ast.stmt) -> bool:
    """``if TYPE_CHECKING:``"""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def _is_method(statement: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    """A method that runs only where its name is used: no special one."""
    return isinstance(statement, Functions) and not (statement.name.startswith("__") and statement.name.endswith("__"))


def _mentions(statement: ast.stmt) -> Iterator[str]:
    """Names that may be a method's: names, attributes, and texts that could be looked up."""
    for node in ast.walk(statement):
        match node:
            case ast.Name(name) | ast.Attribute(attr=name):
                yield name
            case ast.Constant(str(text)):
                yield from (each for each in text.split(".") if each.isidentifier())


@dataclass(frozen=True)
class Source:
    """A module's text: its dotted name, and whether it is a package's."""

    module: str
    text: str
    package: bool

    @cached_property
    def tree(self) -> ast.Module:
        """Without docstrings."""
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, *Functions)) and ast.get_docstring(node, False) is not None:
                node.body = node.body[1:]
        return tree

    @cached_property
    def units(self) -> dict[str, list[ast.stmt]]:
        """Its statements, by the names that they bind; methods of a class but for special ones by both names."""
        found: dict[str, list[ast.stmt]] = {REST: []}
        for statement in self.tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom) or _is_for_types(statement):
                continue
            if isinstance(statement, ast.ClassDef):
                methods = [each for each in statement.body if _is_method(each)]
                for each in methods:
                    found.setdefault(f"{statement.name}.{each.name}", []).append(each)
                bare = [each for each in statement.body if each not in methods] or [ast.Pass()]
                statement = ast.ClassDef(**{**vars(statement), "body": bare})
            for name in tuple(_targets(statement)) or (MAIN if _is_main(statement) else REST,):
                found.setdefault(name, []).append(statement)
        found.pop("__all__", None)
        return found

    @cached_property
    def imports(self) -> dict[str, Named]:
        """What names stand for that it imports, wherever it does."""
        found: dict[str, Named] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for each in node.names:
                    first = each.name.split(".")[0]
                    found[each.asname or first] = (each.name if each.asname else first, ())
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {each.asname or each.name: (node.module, (each.name,)) for each in node.names}
        return found

    @cached_property
    def imported(self) -> list[Named]:
        """All that it imports."""
        plain = [each.name for node in ast.walk(self.tree) if isinstance(node, ast.Import) for each in node.names]
        return [*((each, ()) for each in plain), *self.imports.values()]

    def dump(self, name: str) -> str:
        """What is done for a name, without layout; empty where it is not bound."""
        return "\n".join(ast.dump(each) for each in self.units.get(name, ()))

    @property
    def path(self) -> str:
        """Below the root."""
        return self.module.replace(".", "/") + ("/__init__.py" if self.package else ".py")

    @cached_property
    def finds_modules(self) -> set[str]:
        """Which of its names find the modules of its package, whose names stand nowhere."""
        return self._naming({"iter_modules", "import_module"})

    @cached_property
    def finds_files(self) -> set[str]:
        """Which of its names load files that are no module's: boards."""
        return self._naming({"spec_from_file_location"})

    def _naming(self, wanted: set[str]) -> set[str]:
        """Its names whose statements have one of these names, or attributes."""
        return {
            name
            for name, statements in self.units.items()
            for each in statements
            if wanted & {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(each)}
        }


def _chains(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Names that a statement uses, other than local ones, with attributes: ``boards.find`` is ("boards", "find")."""
    children: Iterable[ast.AST | None] = ast.iter_child_nodes(node)
    match node:
        case ast.Name(name, ast.Load()):
            if name not in local:
                yield (name,)
        case ast.Attribute():
            parts = ast.unparse(node).split(".")
            if all(each.isidentifier() for each in parts):
                children = ()
                if parts[0] not in local:
                    yield tuple(parts)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            body = node.body if isinstance(node.body, list) else [node.body]
            arguments = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
            bound = {each.id for part in body for each in ast.walk(part) if _is_bound(each)}
            local, outside = local | arguments | bound, local
            for each in (*getattr(node, "decorator_list", ()), *node.args.defaults, *node.args.kw_defaults):
                yield from _chains(each, outside) if each is not None else ()
            children = body
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            local = local | {each.id for each in ast.walk(node) if _is_bound(each)}
        case ast.AnnAssign(value=value):
            children = (value,)
    for each in children:
        if each is not None:
            yield from _chains(each, local)


def _is_bound(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _commands(statement: ast.stmt) -> Iterator[str]:
    """Modules that are run by their names: ``"train.mnist_bnn"``, or what follows ``"-m"``."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            yield node.value
        elif isinstance(node, ast.List):
            texts = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
            yield from (f"{b}.__main__" for a, b in pairwise(texts) if a == "-m" and isinstance(b, str))


class _Search:
    """Units that are reached from a benchmark's module; of classes that register themselves, those that are `known`."""

    def __init__(self, root: Path, known: frozenset[Unit] | None):
        self._root, self._register = root, known
        self._loaded: dict[str, Source] = {}
        self.units: set[Unit] = set()
        self._left: list[Unit] = []
        self._known: dict[str, Source | None] = {}
        self._used: set[str] = set()  # names that may be a method's
        self._unused: dict[str, list[Unit]] = {}  # methods by name

    def _source(self, module: str) -> Source | None:
        if module not in self._known:
            ours = module.split(".")[0] in PACKAGES and module not in BESIDE
            self._known[module] = source_of(module, self._root) if ours else None
        return self._known[module]

    def _module(self, named: Named) -> tuple[str, tuple[str, ...]] | None:
        """The module that is meant, and the names in it that are left; a package's names go before its modules."""
        module, left = named
        while (source := self._source(module)) is not None and left:
            longer = f"{module}.{left[0]}"
            bound = left[0] in source.units or source.imports.get(left[0], (module, left[:1])) != (module, left[:1])
            if bound or (longer not in BESIDE and self._source(longer) is None):
                break
            module, left = longer, left[1:]
        return None if source is None else (module, left)

    def load(self, module: str) -> None:
        """As importing does: packages around it, what it imports, and what it does beside binding names."""
        source = self._source(module)
        if source is None or module in self._loaded:
            return
        self._loaded[module] = source
        self.reach(module, REST)
        self.load(module.rpartition(".")[0])
        for named in source.imported:
            self.load(named[0])
            if found := self._module(named):
                self.load(found[0])
        if REST in source.finds_modules:
            for each in self._within(module):
                self.load(each)

    def _within(self, module: str) -> list[str]:
        """Modules of a package, or of that in which a module is."""
        source = self._source(module)
        package = module.rpartition(".")[0] if source and not source.package else module
        folder = self._root.joinpath(*package.split("."))
        paths = (*folder.glob("*.py"), *(each.parent for each in folder.glob("*/__init__.py")))
        return [f"{package}.{each.stem}" for each in paths if each.stem != "__init__"]

    def whole(self, module: str) -> None:
        self.load(module)
        source = self._source(module)
        for name in source.units if source else ():
            if "." not in name.partition(CASE)[0]:
                self.reach(module, name)

    def reach(self, module: str, name: str) -> None:
        if (module, name) not in self.units:
            self.units.add((module, name))
            self._left.append((module, name))

    def _use(self, names: Iterable[str]) -> None:
        """Reaches the methods of these names."""
        for name in set(names) - self._used:
            self._used.add(name)
            for unit in self._unused.pop(name, ()):
                self.reach(*unit)

    def _methods(self, module: str, name: str) -> None:
        """Those of a reached class are reached where their names are used; all, also of its bases, where one of these
        is from elsewhere.
        """
        every = not self._is_closed(module, name)
        lines = [(module, name), *(self._bases(module, name, deep=True) if every else ())]
        for there, of in lines:
            source = self._source(there)
            for unit in source.units if source else ():
                before, _, method = unit.rpartition(".")
                if of and before == of:
                    if every or method in self._used:
                        self.reach(there, unit)
                    else:
                        self._unused.setdefault(method, []).append((there, unit))

    def _bases(self, module: str, name: str, deep: bool = False) -> Iterator[Unit]:
        """Bases of a class that are classes here, `deep` theirs, too."""
        for _, unit in self._named_bases(module, name):
            if unit:
                yield unit
                if deep:
                    yield from self._bases(*unit, deep=True)

    def _named_bases(self, module: str, name: str) -> Iterator[tuple[str, Unit | None]]:
        """The last name of every base of a class, and the class here that it stands for."""
        source = self._source(module)
        for statement in source.units.get(name, ()) if source else ():
            for base in statement.bases if isinstance(statement, ast.ClassDef) else ():
                chain = next(_chains(base.value if isinstance(base, ast.Subscript) else base), None)
                yield (chain[-1], self._follow(module, chain)) if chain else ("", None)

    def _is_closed(self, module: str, name: str) -> bool:
        """Whether all bases of a class, and theirs, are classes here, or plain ones."""
        bases = self._named_bases(module, name)
        return all(self._is_closed(*unit) if unit else base in PLAIN for base, unit in bases)

    def _follow(self, module: str, chain: tuple[str, ...]) -> Unit | None:
        """The unit that a name in a module stands for; a module as such is reached whole."""
        source = self._source(module)
        if source is None:
            return None
        if chain[0] in source.units:
            return module, chain[0]
        if chain[0] not in source.imports:
            return None
        named, attributes = source.imports[chain[0]]
        found = self._module((named, (*attributes, *chain[1:])))
        if found is None:
            return None
        there, left = found
        if not left or left[0].startswith("__"):
            self.whole(there)
            return None
        self.load(there)
        if (unit := self._follow(there, left)) is None and "__getattr__" in self._loaded[there].units:
            self.reach(there, "__getattr__")
        return unit

    def _registered(self) -> bool:
        """Reaches classes that a reached base knows, and cases of reached functions, and says whether there were
        more.
        """
        before, registries = len(self.units), self._registries
        for module, source in tuple(self._loaded.items()):
            for name, statements in source.units.items():
                if (module, name) in self.units or "." in name.partition(CASE)[0]:
                    continue
                if CASE in name:
                    function, kind = (self._follow(module, tuple(each.split("."))) for each in name.split(CASE))
                    if self._counts(module, name) and function in self.units and kind in self.units:
                        self.reach(module, name)
                    continue
                for statement in statements:
                    if isinstance(statement, ast.ClassDef):
                        bases = {self._follow(module, chain) for base in statement.bases for chain in _chains(base)}
                        if any(self._counts(module, name, registries[each]) for each in bases & registries.keys()):
                            self.reach(module, name)
        return len(self.units) > before

    def _counts_whole(self, module: str) -> bool:
        return self._register is None or any(known == module for known, _ in self._register)

    def _counts(self, module: str, name: str, root: Unit | None = None) -> bool:
        """Whether what registers itself is known, or of a base that is asked for all of them."""
        return self._register is None or (module, name) in self._register or root in ASKED

    @property
    def _registries(self) -> dict[Unit, Unit]:
        """Reached classes whose descendants register themselves, and those descendants, each with that base."""
        found: dict[Unit, Unit] = {}
        grown = True
        while grown:
            grown = False
            for unit in self.units - found.keys():
                module, name = unit
                for statement in self._known[module].units.get(name, ()):  # type: ignore[union-attr]
                    if not isinstance(statement, ast.ClassDef):
                        continue
                    bases = {self._follow(module, chain) for base in statement.bases for chain in _chains(base)}
                    if any(getattr(each, "name", "") == "__init_subclass__" for each in statement.body):
                        found[unit], grown = unit, True
                    elif known := bases & found.keys():
                        found[unit], grown = found[known.pop()], True
        return found

    def run(self) -> None:
        while self._left or self._registered():
            while self._left:
                module, name = self._left.pop()
                source = self._source(module)
                assert source is not None
                whole = self._within(module) if name != REST and name in source.finds_modules else []
                if name in source.finds_files:
                    whole += [each for each in self._within("boards") if self._counts_whole(each)]
                self._methods(module, name)
                for statement in source.units.get(name, ()):
                    whole += _commands(statement)
                    self._use(_mentions(statement))
                    for chain in _chains(statement):
                        if unit := self._follow(module, chain):
                            self.reach(*unit)
                for each in whole:
                    self.whole(each)


@cache
def source_of(module: str, root: Path) -> Source | None:
    """None where there is no such module."""
    place = root.joinpath(*module.split("."))
    for path, package in ((place.with_suffix(".py"), False), (place / "__init__.py", True)):
        if path.is_file():
            return Source(module, path.read_text(), package)
    return None


@cache
def reached(benchmark: str, root: Path, known: frozenset[Unit] | None = None) -> tuple[tuple[Source, str], ...]:
    """Modules and names in them, sorted. Of classes that register themselves with a base, only those that are `known`,
    where that is given.
    """
    search = _Search(root, known)
    search.whole(f"benchmarks.{benchmark}")
    search.run()
    found = ((search._source(module), name) for module, name in sorted(search.units))
    return tuple((source, name) for source, name in found if source and source.units.get(name))

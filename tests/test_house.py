"""The rules that CONTRIBUTING.md names. `python tests/test_house.py [folder]` lists where they are broken."""
import ast
import builtins
import dis
import importlib
import json
import pkgutil
import re
import sys
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

MEGABYTE = 1_000_000
# What may stand as a visible cell's last expression without an output: calls that return nothing.
SILENT = {"append", "cleanup", "clear", "close", "extend", "mkdir", "rmtree", "skip_flagged_cells",
          "unlink", "update", "write_text"}
SHOWING = {"print", "show", "display", "figure", "compare"}
# Known breaks of each rule: the beginning of a line of the list. One that is no longer needed has to go.
EXCEPTIONS = {
    "modules": ["deepdream_nb.recipes.make_dream"],
}


class Cell:
    def __init__(self, notebook, name, cell):
        self.notebook, self.name, self.place = notebook, name, f"{name}.ipynb {cell['id']}"
        self.is_code, self.source = cell["cell_type"] == "code", "".join(cell["source"])
        self.outputs = cell.get("outputs")
        self.flags = re.findall(r"(?m)^#\|\s*(\w+)", self.source)
        self.exported = self.is_code and "export" in self.flags
        self.visible = self.is_code and not self.exported and not {"hide", "default_exp"} & set(self.flags)

    @cached_property
    def tree(self): return ast.parse(re.sub(r"(?m)^(?=[%!])", "#", self.source))


class Module:
    def __init__(self, path, folder):
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.parts = path.relative_to(folder).with_suffix("").parts
        self.name = ".".join(self.parts)
        self.notebook = next(iter(re.findall(r"File to edit: \S*nbs/(\S+)\.ipynb", self.text)), "index")
        lists = [one.value for one in self.tree.body if ast.unparse(one).startswith("__all__ = [")]
        self.public = ast.literal_eval(lists[0]) if lists else []
        place, number = self.notebook.split("/")[0], re.match(r"(\d\d[a-z]?)?", self.notebook)[0]
        self.floor = {"workshop": (0, ""), "apps": (2, "")}.get(place, (1, number))  # 16 before 16a before 17
        self.registered = {one.name for one in self.tree.body for mark in getattr(one, "decorator_list", ())
                           if re.search(r"\b(command|cure|kind|term)\b", ast.unparse(mark))}

    def imports(self):
        "The names of what this module imports, wherever in its code."
        for one in ast.walk(self.tree):
            if isinstance(one, ast.ImportFrom):
                start = [*self.parts[:-one.level]] if one.level else []
                whole = ".".join(start + ([one.module] if one.module else []))
                yield from (whole, *(f"{whole}.{alias.name}" for alias in one.names))


class House:
    def __init__(self, folder):
        self.folder = Path(folder)
        places = ("nbs", "nbs/workshop", "nbs/apps", "nbs/solutions")
        self.notebooks = [path for place in places for path in sorted(self.folder.glob(f"{place}/*.ipynb"))]
        self.cells = []
        for path in self.notebooks:
            name = path.relative_to(self.folder / "nbs").with_suffix("").as_posix()
            self.cells += [Cell(path, name, one) for one in json.loads(path.read_text("utf-8"))["cells"]]
        self.code = [cell for cell in self.cells if cell.is_code]
        files = sorted(self.folder.glob("deepdream_nb/**/*.py"))
        read = [Module(path, self.folder) for path in files if path.name != "_modidx.py"]
        self.modules = {module.name: module for module in read}
        self.scripts = [self.folder / "setup.py"]
        for place in ("tests", "tools", "docs"): self.scripts += sorted(self.folder.glob(f"{place}/*.py"))


def numbers(house):
    "A lesson has a number of its own; a letter may follow it."
    lessons = {}
    for path in sorted(house.folder.glob("nbs/*_*.ipynb")):
        lessons.setdefault(path.name.split("_")[0], []).append(path.name)
    for number, names in lessons.items():
        if len(names) > 1 or not re.fullmatch(r"\d\d[a-z]?", number): yield " ".join(names), "need numbers"


def arrows(house):
    "A lesson imports lower ones and the workshop, the workshop itself, an app what is below; no circles."
    graph = {name: {*module.imports()} & {*house.modules} - {name} for name, module in house.modules.items()}
    for name, wanted in graph.items():
        module = house.modules[name]
        for other in map(house.modules.get, sorted(wanted)):
            beside = module.floor[0] != 1 and module.floor == other.floor or module.notebook == other.notebook
            if not beside and other.floor >= module.floor: yield name, f"imports {other.name}"
    try: TopologicalSorter(graph).prepare()
    except CycleError as error: yield " -> ".join(error.args[1]), "is a circle"


def cells(house):
    "An exported cell has at most 25 lines, JavaScript aside, and one public name, capital constants aside."
    for cell in filter(lambda cell: cell.exported, house.code):
        names = []
        for one in cell.tree.body:
            if hasattr(one, "name"): names.append(one.name)
            for target in getattr(one, "targets", ()):
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                names += [part.id for part in parts if isinstance(part, ast.Name)]
        public = [name for name in names if name[0] != "_" and not name.isupper()]
        own = [line for line in cell.source.strip().splitlines() if not line.startswith("#|")]
        lines = len(own) - sum(one.end_lineno - one.lineno for one in ast.walk(cell.tree) if is_script(one))
        if lines > 25: yield cell.place, f"has {lines} lines ({', '.join(names[:3])})"
        if len(public) > 1: yield cell.place, f"exports {', '.join(public)}"


def is_script(one):
    "Is a node of a syntax tree JavaScript or a style sheet that is given a name?"
    return isinstance(one, ast.Assign) and ast.unparse(one.targets[0]).startswith(("_esm", "_css"))


def exempt(tree):
    "The lines of JavaScript, style sheets and tables: literals of several lines at the top of a module."
    for one in ast.walk(tree):
        if not isinstance(one, ast.Assign) or one.end_lineno == one.lineno: continue
        if not is_script(one):
            try: table = one in tree.body and ast.literal_eval(one.value)
            except ValueError: continue
            if not isinstance(table, (dict, list, tuple)): continue
        yield from range(one.lineno, one.end_lineno + 1)


def widths(house):
    "A line of code has at most 110 characters."
    sources = [(cell.place, cell.source, cell.tree) for cell in house.code]
    for path in house.scripts:
        text = path.read_text(encoding="utf-8")
        sources.append((str(path.relative_to(house.folder)), text, ast.parse(text)))
    for place, text, tree in sources:
        free = set(exempt(tree))
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 110 and number not in free:
                yield place, f"line {number} has {len(line)}: {line.strip()[:60]}"


def modules(house):
    "A module has at most 350 lines, a function at most 8 parameters: self, settings and stars not counted."
    for name, module in house.modules.items():
        count = len(module.text.splitlines())
        if count > 350: yield name, f"has {count} lines"
        for one in ast.walk(module.tree):
            if isinstance(one, ast.FunctionDef):
                given = {arg.arg for arg in (*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs)}
                count = len(given - {"self", "cls", "settings"})
                if count > 8: yield f"{name}.{one.name}", f"has {count} parameters"


def outputs(house):
    "A visible cell that ends in an expression has a stored output."
    for cell in house.code:
        if not cell.visible or cell.outputs or not cell.tree.body: continue
        last = cell.tree.body[-1]
        while isinstance(last, (ast.For, ast.With)): last = last.body[-1]
        value = last.value if isinstance(last, ast.Expr) else None
        called = value.func if isinstance(value, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", ""))
        shows = name not in SILENT if last is cell.tree.body[-1] else name in SHOWING  # the latter in a loop
        if value and shows and not cell.source.rstrip().endswith(";"):
            yield cell.place, f"shows nothing: {ast.unparse(last).splitlines()[0][:80]}"


def sizes(house):
    "A notebook has at most 3 MB, all together 40."
    for path in house.notebooks:
        if path.stat().st_size > 3 * MEGABYTE: yield path.name, f"has {path.stat().st_size / MEGABYTE:.1f} MB"
    whole = sum(path.stat().st_size for path in house.notebooks)
    if whole > 40 * MEGABYTE: yield "all notebooks", f"have {whole / MEGABYTE:.1f} MB"


def links(house):
    "A link to a file leads somewhere; texts call a lesson by its title; docs/course.md and index have all."
    texts = [(cell.place, cell.source, cell.notebook.parent) for cell in house.cells]
    for path in (*house.folder.glob("*.md"), *house.scripts, house.folder / "Makefile"):
        if path.name != "test_house.py": texts.append((path.name, path.read_text("utf-8"), path.parent))
    for place, text, folder in texts:
        for target in re.findall(r"\]\((?![a-z]+:|#)([\w./-]+\.\w+)(?:#[^)\s]*)?\)", text):
            if not (folder / target).exists(): yield place, f"links {target}"
        numbered = re.findall(r"(?i)\blessons? \[?\d+|\[\d+\]\([^)]*ipynb", text)
        for found in numbered: yield place, f"says {found}"
    titles = {cell.name: cell.source.split("\n")[0].removeprefix("# ") for cell in reversed(house.cells)}
    course = (house.folder / "docs/course.md").read_text("utf-8")
    index = "\n".join(cell.source for cell in house.cells if cell.name == "index")
    named = r"\[(?:\d\d[a-z]? )?([^]!]+)\]\((?:\.\./nbs/)?([\w/]+)\.ipynb\)"
    lessons = re.findall(named.replace(" )?", " )", 1), index)
    for text, name in lessons + re.findall(named, course):
        if text != titles.get(name): yield "docs/course.md", f"calls {name} {text}, not {titles.get(name)}"
    for name in titles:
        if name.startswith(("index", "solutions/")): continue
        if f"(../nbs/{name}.ipynb)" not in course: yield "docs/course.md", f"has no row for {name}"
        if name[0].isdigit() and f"]({name}.ipynb)" not in index: yield "index.ipynb", f"leaves out {name}"


def used(tree):
    "How often each name is used in code, in objectives as text, too."
    for one in ast.walk(tree):
        if isinstance(one, ast.Name): yield one.id
        elif isinstance(one, ast.Attribute): yield one.attr
        elif isinstance(one, ast.alias): yield one.name
        elif isinstance(getattr(one, "value", None), str): yield from re.findall(r"(\w+)\(", one.value)


def public(house):
    """A public name is used by another module, notebook or test, or a visible cell of its own lesson; or
    a public function of its module names it in backticks, as what it takes or returns."""
    uses = {}  # name -> where, with repetitions
    for module in house.modules.values():
        for name in used(module.tree): uses.setdefault(name, []).append(module.name)
    for path in house.scripts:
        for name in used(ast.parse(path.read_text("utf-8"))): uses.setdefault(name, []).append(path.name)
    for cell in filter(lambda cell: not cell.exported, house.code):
        for name in used(cell.tree): uses.setdefault(name, []).append((cell.name, cell.visible))
    for module in house.modules.values():
        own = {module.name, (module.notebook, True), (module.notebook, False)}
        named = {*re.findall(r"`(\w+)`", module.text)}
        for name in sorted({*module.public} - module.registered - named):
            where = uses.get(name, [])
            shown = (module.notebook, True) in where
            if {*where} <= own and not shown and not name.endswith("Error"):  # whoever likes catches an error
                yield f"{module.name}.{name}", "is public, and nobody uses it"


RULES = [numbers, arrows, cells, widths, modules, outputs, sizes, links, public]


@pytest.fixture(scope="module")
def house(): return House(Path(__file__).parents[1])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule, house):
    broken, known = [" ".join(found) for found in rule(house)], EXCEPTIONS.get(rule.__name__, ())
    assert not [line for line in broken if not line.startswith(tuple(known))], rule.__doc__
    assert not [one for one in known if not any(line.startswith(one) for line in broken)], "no longer needed"


def test_every_name_that_the_code_uses_is_there():
    import deepdream_nb
    missing = []
    for found in pkgutil.walk_packages(deepdream_nb.__path__, "deepdream_nb."):
        if found.name.endswith(("__main__", "_modidx")): continue
        module = importlib.import_module(found.name)
        waiting = [compile(Path(module.__file__).read_text("utf-8"), module.__file__, "exec")]
        for code in waiting:
            waiting += [one for one in code.co_consts if hasattr(one, "co_consts")]
            used = [line.argval for line in dis.get_instructions(code) if line.opname == "LOAD_GLOBAL"]
            known = {*vars(module), *vars(builtins)}
            missing += [(found.name, name) for name in used if name not in known]
    assert not missing


if __name__ == "__main__":
    found = House(Path(sys.argv[1] if len(sys.argv) > 1 else __file__ + "/../..").resolve())
    for rule in RULES:
        broken = list(rule(found))
        print(f"\n{rule.__name__}: {len(broken)}. {rule.__doc__}")
        for place, what in broken: print(f"  {place} {what}")

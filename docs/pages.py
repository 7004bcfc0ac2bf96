"""The pages of the site as Markdown in _proc/docs: notebooks as nbdev would show them, the API, the command.

`make docs` runs this, then MkDocs on what it leaves.
"""
import ast
import json
import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from textwrap import indent

import nbformat
from click import Context
from execnb.nbio import nb2str
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbdev import processors
from nbdev.process import NBProcessor
from typer.cli import get_docs_for_click
from typer.main import get_command

import exercises
from deepdream_nb.apps.browser import PageError, write_page
from deepdream_nb.apps.cli import load_app

NOTEBOOKS, PAGES = Path("nbs"), Path("_proc/docs")
SITE = "https://deepdream-nb.github.io/deepdream_nb/"
FLOORS = ("*", "workshop/*", "apps/*")  # in this order a module finds its notebook, and a name its page


def page_of(notebook):
    "The page of a notebook: nbs/04_ascent.ipynb -> lessons/04_ascent.md, nbs/apps/cli.ipynb -> apps/cli.md."
    if notebook.suffix != ".ipynb": return notebook
    place = notebook.relative_to(NOTEBOOKS)
    return (place if place.parent.name or place.stem == "index" else "lessons" / place).with_suffix(".md")


def head(definition, lines):
    "A function's or class's lines from its decorators to its docstring, or to the last field of a dataclass."
    first = min([definition.lineno, *(one.lineno for one in definition.decorator_list)])
    last = definition.lineno
    for part in definition.body:
        is_docstring = part is definition.body[0] and ast.get_docstring(definition)
        if isinstance(part, ast.AnnAssign) or is_docstring: last = part.end_lineno
        else: break
    return "\n".join(lines[first - 1:max(last, min(definition.body[0].lineno - 1, definition.end_lineno))])


def fenced(code): return f"```python\n{code}\n```"


def defined(body):
    "The names that statements define."
    for part in body:
        if hasattr(part, "name"): yield part.name
        yield from (one.id for one in getattr(part, "targets", ()) if isinstance(one, ast.Name))


def unfolding(source):
    "The heads of a cell's public definitions; its source can be unfolded, unless the heads are all of it."
    body, lines, whole = ast.parse(source).body, source.splitlines(), fenced(source)
    definitions = [part for part in body if isinstance(part, (ast.FunctionDef, ast.ClassDef))]
    heads = [head(part, lines) for part in definitions if part.name[0] != "_"]
    if sum(len(one.splitlines()) for one in heads) == len(list(filter(str.strip, lines))): return whole
    seen = fenced("\n\n".join(heads)) if heads else ""
    return f'{seen}\n\n??? abstract "Source of {", ".join(defined(body))}"\n\n{indent(whole, "    ")}'


def export_(cell, *module):
    "An exported cell as nbdev shows it; one of imports is left out."
    body = ast.parse(cell.source).body
    if all(isinstance(part, (ast.Import, ast.ImportFrom)) for part in body): del cell["source"]
    else:
        cell.cell_type, cell.source = "markdown", unfolding(cell.source)
        del cell["outputs"], cell["execution_count"], cell.directives_["export"]


def still(cell):
    "Drop widgets from the outputs of a cell: nothing on a page could move them."
    if cell.cell_type == "code":
        widget = "application/vnd.jupyter.widget-view+json"
        cell.outputs = [one for one in cell.outputs if widget not in one.get("data", {})]


def taught_modules():
    "Each module with the notebook that it is exported from; the command has a page of another kind."
    modules = {}
    for notebook in (notebook for floor in FLOORS for notebook in sorted(NOTEBOOKS.glob(f"{floor}.ipynb"))):
        name = re.search(r"#\| default_exp ([\w.]+)", notebook.read_text(encoding="utf-8"))
        if name and name[1] not in ("apps.cli", "__main__"): modules[name[1]] = notebook
    return modules


def described():
    "Where the reference describes each module and each public function and class, by name."
    places = {module.rsplit(".", 1)[-1]: f"reference/{module}.md" for module in taught_modules()}
    for name in taught_modules():
        module = import_module(f"deepdream_nb.{name}")
        for public in getattr(module, "__all__", ()):
            if callable(getattr(module, public)):
                places.setdefault(public, f"reference/{name}.md#{module.__name__}.{public}")
    return places


def linked(text, notebook, places):
    "A notebook's Markdown with its links as its page needs them; public names in it lead to the reference."
    here = page_of(notebook).parent

    def to_page(found):
        target = Path(os.path.normpath(notebook.parent / found[1]))
        return f"]({os.path.relpath(page_of(target), here)}"

    def to_reference(found):
        return f"[{found[0]}]({os.path.relpath(places[found[1]], here)})" if found[1] in places else found[0]

    def in_this_site(found):
        is_made_elsewhere = found[1].startswith("dream/")
        page = found[1] if is_made_elsewhere else re.sub(r"\.html(?=#|$)", ".md", found[1])
        return f"]({os.path.relpath(page, here)}"

    def with_links(part):
        part = re.sub(r"\]\((?![a-z]+:|#)([^)#\s]+)", to_page, part)
        part = re.sub(rf"\]\({SITE}([^)\s]+)", in_this_site, part)
        return re.sub(r"(?<!\[)`(\w+)(?:\(\))?`(?!\])", to_reference, part)

    parts = re.split(r"(?ms)(^ *```.*?^ *```$|^#.*?$)", text)  # code and headings stay as they are
    return "".join(part if i % 2 else with_links(part) for i, part in enumerate(parts))


WORDS = {"ten": 10, "fifteen": 15, "twenty": 20, "twenty-five": 25, "thirty": 30, "forty": 40, "fifty": 50}


def minutes_of(notebook):
    "How long a lesson says that it takes to read, in minutes; None for one that does not say."
    cells = nbformat.read(notebook, as_version=4).cells[:8]
    opening = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    said = re.search(r"(?:\*\*Time:?\*\*|; about|, and about)[^.]*", opening)
    found = re.search(r"([\w-]+) minutes", said[0]) if said else None
    more = re.search(r"(\d+) more", said[0]) if found else None
    number = WORDS.get(found[1], found[1]) if found else 0
    return int(number) + int(more[1] if more else 0) or None


def with_minutes(text, folder):
    "Markdown in which each link to a lesson, by its number and title, is followed by its minutes."
    def timed(found):
        minutes = minutes_of(folder / found[1])
        return found[0] + (f' <span class="minutes">{minutes} min</span>' if minutes else "")
    return re.sub(r"(?<!!)\[\d\d[a-z]? [^]!]+\]\(([\w./]+\.ipynb)\)", timed, text)


def as_cards(text):
    "A table of lessons with their pictures as cards, and a row that names a part of the course as a heading."
    def card(row):
        picture, name, words = [part.strip() for part in row.strip().strip("|").split("|")[:3]]
        if "](" not in name: return f"\n### {name.strip('*')}\n"
        picture = re.sub(r"data/front/\d*_?(\w+\.jpg)", larger, picture)
        return " ".join(filter(None, ["-", picture, f"**{name}**", words]))

    def larger(found):
        large = Path("data/lessons", found[1])
        return large.as_posix() if large.exists() else found[0]

    def cards(table):
        rows = "\n".join(map(card, table[1].splitlines()))
        return f'<div class="lessons" markdown>\n\n{rows}\n\n</div>\n'

    return re.sub(r"(?m)^\| \| .*\n\|[-|]+\n((?:\|.*(?:\n|$))+)", cards, text)


def write(page, text):
    "Write a page, and make the folders on its way."
    target = PAGES / page
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def title_of(text): return re.search(r"(?m)^# (.*)$", text)[1]


def write_notebook(notebook, places):
    "The page of a notebook as it was executed, its pictures as files."
    page = page_of(notebook)
    steps = [processors.hide_line, export_, processors.rm_export, processors.hide_, processors.rm_header_dash]
    shown = NBProcessor(notebook, [*steps, processors.clean_magics, still])
    shown.process()
    shown.nb.metadata["language_info"] = {"name": "python"}  # so that code is coloured
    for cell in shown.nb.cells:
        if cell.cell_type != "markdown": continue
        if page.stem == "index": cell.source = with_minutes(cell.source, NOTEBOOKS)
        cell.source = linked(cell.source, notebook, places)
    exporter = MarkdownExporter(preprocessors=[CoalesceStreamsPreprocessor])
    resources = {"unique_key": page.stem, "output_files_dir": page.stem}
    text, more = exporter.from_notebook_node(nbformat.reads(nb2str(shown.nb), 4), resources)
    number = re.match(r"(\d\d[a-z]?)?", page.stem)[0]
    settings = {"title": f"{number} {title_of(text)}".strip()}
    if page.stem == "index": settings = {"title": "Start"}
    write(page, f"---\n{json.dumps(settings)}\n---\n\n{text}")
    for name, picture in more["outputs"].items():
        (PAGES / page.parent / name).parent.mkdir(exist_ok=True)
        (PAGES / page.parent / name).write_bytes(picture)


def main_first(module, code):
    "A module's public names: what most notebooks use first, errors last; `code` is {notebook: text}."
    def place(name):
        uses = sum(bool(re.search(rf"\b{name}\b", text)) for text in code.values())
        found = getattr(module, name)
        return isinstance(found, type) and issubclass(found, Exception), -uses

    return sorted(module.__all__, key=place)


def code_of(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def write_reference():
    "A page for each module, which MkDocs fills, and one for the command."
    code = {notebook: code_of(notebook) for notebook in NOTEBOOKS.glob("**/[!.]*.ipynb")}
    for module, notebook in taught_modules().items():
        title = title_of(nbformat.read(notebook, as_version=4).cells[0].source)
        taught = f"From [{title}]({os.path.relpath(page_of(notebook), 'reference')})"
        imported = f"`from deepdream_nb.{module} import *`"
        names = json.dumps(main_first(import_module(f"deepdream_nb.{module}"), code))
        what = f"::: deepdream_nb.{module}\n    options: {{members: {names}}}"
        write(f"reference/{module}.md", f"# {module}\n\n{taught}: {imported}\n\n{what}\n")
    command = get_command(load_app())
    described = get_docs_for_click(obj=command, ctx=Context(command), name="deepdream")
    write("reference/command.md", f"---\ntitle: The command deepdream\n---\n\n{described}")


def write_dreaming_page():
    "The page that dreams, in a folder of its own; without its runtime, a page that says so."
    try: write_page(PAGES / "dream")
    except PageError as error:
        print(f"The page that dreams is left out: {error}")
        left_out = "<!doctype html><title>Left out</title><p>This page was left out when the site was built: "
        write("dream/index.html", f"{left_out}{error}.")


if __name__ == "__main__":
    shutil.rmtree(PAGES, ignore_errors=True)
    places = described()
    for floor in (*FLOORS, "solutions/*"):
        for notebook in sorted(NOTEBOOKS.glob(f"{floor}.ipynb")): write_notebook(notebook, places)
    for page in Path("docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        if page.stem == "course": text = as_cards(with_minutes(text, Path("docs")))
        write(page, linked(text, page, places))
    write(exercises.PAGE, linked(exercises.page(), exercises.PAGE, places))
    write_reference()
    shutil.copytree("data", PAGES / "data", ignore=shutil.ignore_patterns("*.filter", "*.md", "page"))
    write_dreaming_page()
    for own in ("site.css", "logo.svg"): shutil.copy(Path("docs", own), PAGES)

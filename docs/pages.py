"""The pages of the site, as Markdown in _proc/docs: lessons and solutions as nbdev would show them, the API, the command.

`make docs` runs this, then MkDocs on what it leaves.
"""
import ast
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from textwrap import indent

import nbformat
from execnb.nbio import nb2str
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbdev import processors
from nbdev.process import NBProcessor

NOTEBOOKS, PAGES = Path("nbs"), Path("_proc/docs")


def page_of(notebook):
    "The page of a notebook: nbs/03_ascent.ipynb -> lessons/03_ascent.md, nbs/solutions/x.ipynb -> solutions/x.md."
    place = notebook.relative_to(NOTEBOOKS)
    return (place if place.parent.name or place.stem == "index" else "lessons" / place).with_suffix(".md")


def head(definition, lines):
    "A function's or class's lines from its decorators to its docstring, or to the last field of a dataclass."
    first = min([definition.lineno, *(one.lineno for one in definition.decorator_list)])
    last = definition.lineno
    for part in definition.body:
        if isinstance(part, ast.AnnAssign) or ast.get_docstring(definition) and part is definition.body[0]: last = part.end_lineno
        else: break
    return "\n".join(lines[first - 1:max(last, min(definition.body[0].lineno - 1, definition.end_lineno))])


def fenced(code): return f"```python\n{code}\n```"


def defined(body):
    "The names that statements define."
    return [name for part in body for name in ([part.name] if hasattr(part, "name") else [one.id for one in getattr(part, "targets", ()) if isinstance(one, ast.Name)])]


def export_(cell):
    "An exported cell as nbdev shows it, by the heads of its public definitions; its source can be unfolded."
    body = ast.parse(cell.source).body
    if all(isinstance(part, (ast.Import, ast.ImportFrom)) for part in body): del cell["source"]
    else:
        lines = cell.source.splitlines()
        heads = [head(part, lines) for part in body if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and part.name[0] != "_"]
        seen, whole = fenced("\n\n".join(heads)), fenced(cell.source)
        all_seen = sum(len(one.splitlines()) for one in heads) == len(list(filter(str.strip, lines)))
        cell.cell_type, cell.source = "markdown", whole if all_seen else f'{seen if heads else ""}\n\n??? abstract "Source of {", ".join(defined(body))}"\n\n{indent(whole, "    ")}'
        del cell["outputs"], cell["execution_count"], cell.directives_["export"]


def still(cell):
    "Drop widgets from the outputs of a cell: nothing on a page could move them."
    if cell.cell_type == "code": cell.outputs = [one for one in cell.outputs if "application/vnd.jupyter.widget-view+json" not in one.get("data", {})]


def taught_modules():
    "Each module with the notebook that it is exported from, in the order of the course; the command has a page of another kind."
    named = {notebook: re.search(r"#\| default_exp (\w+)", notebook.read_text(encoding="utf-8")) for notebook in sorted(NOTEBOOKS.glob("*.ipynb"))}
    return {name[1]: notebook for notebook, name in named.items() if name and name[1] != "cli"}


def described():
    "Where the reference describes each module and each public function and class; of two of one name the one that is taught first."
    places = {module: f"reference/{module}.md" for module in taught_modules()}
    for module in map(import_module, (f"deepdream_nb.{name}" for name in taught_modules())):
        for name in filter(lambda name: callable(getattr(module, name)), module.__all__):
            places.setdefault(name, f"reference/{module.__name__.removeprefix('deepdream_nb.')}.md#{module.__name__}.{name}")
    return places


def linked(text, notebook, places):
    "A notebook's Markdown with its links as its page needs them, and public names in the text led to the reference."
    here = page_of(notebook).parent

    def to_page(found):
        target = Path(os.path.normpath(notebook.parent / found[1]))
        return f"]({os.path.relpath(page_of(target) if target.suffix == '.ipynb' else target, here)}"

    def to_reference(found):
        return f"[{found[0]}]({os.path.relpath(places[found[1]], here)})" if found[1] in places else found[0]

    def with_links(part):
        return re.sub(r"(?<!\[)`(\w+)(?:\(\))?`(?!\])", to_reference, re.sub(r"\]\((?![a-z]+:|#)([^)#\s]+)", to_page, part))

    parts = re.split(r"(?ms)(^ *```.*?^ *```$|^#.*?$)", text)  # code and headings stay as they are
    return "".join(part if i % 2 else with_links(part) for i, part in enumerate(parts))


def write(page, text):
    "Write a page, and make the folders on its way."
    target = PAGES / page
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def write_notebook(notebook, places):
    "The page of a notebook as it was executed, its pictures as files."
    page = page_of(notebook)
    shown = NBProcessor(notebook, [processors.hide_line, export_, processors.rm_export, processors.hide_, processors.rm_header_dash, processors.clean_magics, still])
    shown.process()
    shown.nb.metadata["language_info"] = {"name": "python"}  # so that code is coloured
    for cell in shown.nb.cells:
        if cell.cell_type == "markdown": cell.source = linked(cell.source, notebook, places)
    text, more = MarkdownExporter(preprocessors=[CoalesceStreamsPreprocessor]).from_notebook_node(nbformat.reads(nb2str(shown.nb), 4), {"unique_key": page.stem, "output_files_dir": page.stem})
    number = re.match(r"\d\d ", page.stem.replace("_", " "))
    title = re.search(r"(?m)^# (.*)$", text)[1]
    settings = {"title": "Start", "hide": ["navigation", "toc"]} if page.stem == "index" else {"title": f"{number[0] if number else ''}{title}"}
    write(page, f"---\n{json.dumps(settings)}\n---\n\n{text}")
    for name, picture in more["outputs"].items():
        (PAGES / page.parent / name).parent.mkdir(exist_ok=True)
        (PAGES / page.parent / name).write_bytes(picture)


def write_reference():
    "A page for each module, which MkDocs fills, and one for the command."
    for module, notebook in taught_modules().items():
        lesson = os.path.relpath(page_of(notebook), "reference")
        write(f"reference/{module}.md", f"# {module}\n\nFrom [lesson {page_of(notebook).stem[:2]}]({lesson}): `from deepdream_nb.{module} import *`\n\n::: deepdream_nb.{module}\n")
    command = subprocess.run([sys.executable, "-m", "typer", "deepdream_nb.cli", "utils", "docs", "--name", "deepdream"], capture_output=True, text=True, check=True).stdout
    write("reference/cli.md", f"---\ntitle: cli\n---\n\n{command}")


if __name__ == "__main__":
    shutil.rmtree(PAGES, ignore_errors=True)
    places = described()
    for notebook in sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")]): write_notebook(notebook, places)
    write_reference()
    shutil.copytree("data", PAGES / "data", ignore=shutil.ignore_patterns("*.filter", "*.md"))
    shutil.copy("docs/site.css", PAGES)

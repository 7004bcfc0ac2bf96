"""Flagged cells in a real kernel, on a machine without weights and photos; and a reader's own copy."""
import builtins
import re
import symtable
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import checkout
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output

from deepdream_nb.workshop.files import FileError

sys.path.append(f"{checkout}/tools")
from course import copy_course  # noqa: E402

SHOWN = "a table of layers\n"
NEXT = "print(1 + 1)"
IMPORTS = """from deepdream_nb.networks import *
from deepdream_nb.workshop.stored_cells import *

skip_flagged_cells()"""
NEEDS = '#| pretrained\n#| slow\nload_network("vgg19").layers'


def execute(book, folder):
    "Run a notebook in a kernel that works in a folder."
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=None, kernel_name="python3", resources=where).execute()


def text_of(output):
    "What an output shows, as text."
    if output.get("text"): return output.text
    return output.data.get("text/markdown") or output.data["text/plain"]


@pytest.fixture
def texts(tmp_path, monkeypatch):
    "A function that runs cells in a kernel, stored with an output each; the text that each shows then."
    for name in ("DEEPDREAM_WEIGHTS", "DEEPDREAM_PHOTOS", "DEEPDREAM_RUN_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))

    def run(*sources):
        cells = [new_code_cell(source, outputs=[new_output("stream", text=SHOWN)]) for source in sources]
        book = new_notebook(cells=[new_code_cell(IMPORTS), *cells])
        nbformat.write(book, tmp_path / "lesson.ipynb")
        execute(book, tmp_path)
        nbformat.write(book, tmp_path / "lesson.ipynb")  # as a reader's Jupyter saves it
        return ["".join(map(text_of, cell.outputs)) for cell in book.cells[1:]]

    return run


def test_a_cell_without_weights_shows_what_is_stored_and_the_others_run(texts):
    needs, free = texts(NEEDS, NEXT)
    assert needs.startswith("*Not run.* This cell needs the weights of `vgg19`") and needs.endswith(SHOWN)
    assert free == "2\n"
    (photos,) = texts("#| photos\nnever_defined")
    assert "DEEPDREAM_PHOTOS" in photos and photos.endswith(SHOWN)


def test_what_was_said_the_last_time_is_not_said_twice(texts, tmp_path):
    texts(NEEDS)
    book = nbformat.read(tmp_path / "lesson.ipynb", 4)
    execute(book, tmp_path)
    assert [output.output_type for output in book.cells[1].outputs] == ["display_data", "stream"]


def test_where_all_is_to_run_a_missing_weight_is_an_error(texts, monkeypatch):
    monkeypatch.setenv("DEEPDREAM_RUN_ALL", "1")
    with pytest.raises(CellExecutionError, match="NameError"): texts("#| photos\nnever_defined")


def test_a_test_of_the_course_and_a_slow_cell_wait_to_be_asked(texts, tmp_path):
    (tmp_path / "broken.ipynb").write_text('{"cells": [')
    check, slow, long = texts("#| hide\nassert never_defined", "#| slow\nnever_defined", NEEDS)
    assert check.startswith("*Not run.* This cell is a test of the course itself; without its line `#| hide`")
    assert slow.startswith("*Not run.* This cell needs more time") and slow.endswith(SHOWN)
    assert "; and it needs more time than the others; without its line `#| slow`" in long
    free = texts("#| hide\nprint('a helper')", "assert True, 'an exercise'\nprint(1)")
    assert free == ["a helper\n", "1\n"]


def notebooks():
    "The name of each notebook with its cells of code, as text, and their flags."
    for path in sorted((Path(__file__).parents[1] / "nbs").glob("**/*.ipynb")):
        sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        yield path.name, [(one, {*re.findall(r"(?m)^#\|\s*(\w+)", one)}) for one in sources]


def waits(source, flags):
    "Is a cell left out of a reader's run?"
    return "slow" in flags or "hide" in flags and re.search(r"\bassert\b", source) is not None


def test_flagged_lessons_begin_with_the_call():
    for name, cells in notebooks():
        flagged = [place for place, (source, flags) in enumerate(cells)
                   if flags & {"pretrained", "photos"} or waits(source, flags)]
        calls = [place for place, (source, _) in enumerate(cells) if source.endswith("skip_flagged_cells()")]
        if flagged and name != "stored_cells.ipynb": assert calls and calls[0] < flagged[0], name


def names_in(source):
    "The names that a cell defines, and those that it looks up outside of its functions' own."
    def tables(one): return [one, *(found for child in one.get_children() for found in tables(child))]
    whole, *inner = tables(symtable.symtable(re.sub(r"(?m)^(?=[%!])", "#", source), "cell", "exec"))
    own = [one for one in whole.get_symbols() if one.is_assigned() or one.is_imported() or one.is_namespace()]
    used = [one for one in whole.get_symbols() if one.is_referenced()]
    used += [one for table in inner for one in table.get_symbols() if one.is_referenced() and one.is_global()]
    return {one.get_name() for one in own}, {one.get_name() for one in used} - {*dir(builtins)}


def test_what_runs_needs_nothing_from_what_waits():
    for name, cells in notebooks():
        here, missing = set(), set()
        for source, flags in cells:
            own, used = names_in(source)
            if waits(source, flags): missing |= own - here
            else:
                here, missing = here | own, missing - own
                if "def borrow" in source: continue  # it runs another lesson's cells
                assert not used & missing, (name, source[:60], used & missing)


def test_no_notebook_rewrites_the_package():
    for name, cells in notebooks():
        assert not [source for source, _ in cells if "nbdev_export" in source], name


def test_a_copy_of_the_course_keeps_what_the_reader_changed(tmp_path):
    source, mine, place = tmp_path / "course", tmp_path / "mine", "nbs/solutions/a.ipynb"
    for name in ("nbs/index.ipynb", place, "data/front/a.jpg"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"old {name}")
    assert copy_course(mine, source) == (["data/front/a.jpg", "nbs/index.ipynb", place], [])
    assert copy_course(mine, source) == ([], [])
    (mine / place).write_text("an exercise, solved")
    (mine / "nbs/own.ipynb").write_text("the reader's")
    for name in ("nbs/index.ipynb", place): (source / name).write_text(f"new {name}")
    assert copy_course(mine, source) == (["nbs/index.ipynb"], [place])
    assert copy_course(mine, source) == ([], [place])
    assert (mine / place).read_text() == "an exercise, solved" and (mine / "nbs/own.ipynb").exists()
    assert (mine / "nbs/index.ipynb").read_text() == "new nbs/index.ipynb"
    with pytest.raises(FileError, match="holds something else"): copy_course(source, source)


def test_the_links_of_a_copied_course_lead_somewhere(tmp_path):
    copy_course(tmp_path)
    for path in tmp_path.glob("nbs/**/*.ipynb"):
        for cell in nbformat.read(path, 4).cells:
            text = cell.source if cell.cell_type == "markdown" else ""
            for link in re.findall(r"\]\(([^)#\s:]+)[^):]*\)", text):
                assert (path.parent / link).exists(), (path.name, link)

"""Flagged cells in a real kernel, on a machine without weights and photos."""
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output

SHOWN = "a table of layers\n"
NEXT = "print(1 + 1)"
IMPORTS = """from deepdream_nb.networks import *
from deepdream_nb.workshop.stored_cells import *

skip_flagged_cells()"""
NEEDS = '#| pretrained\n#| slow\nload_network("vgg19").layers'


def execute(book, folder):
    "Run a notebook in a kernel that works in a folder."
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=300, kernel_name="python3", resources=where).execute()


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


def test_flagged_lessons_begin_with_the_call():
    for path in sorted((Path(__file__).parents[1] / "nbs").glob("**/*.ipynb")):
        sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        flags = ("#| pretrained", "#| photos")
        flagged = [place for place, one in enumerate(sources) if one.startswith(flags)]
        calls = [place for place, one in enumerate(sources) if one.endswith("skip_flagged_cells()")]
        if flagged: assert calls and calls[0] < flagged[0], path.name

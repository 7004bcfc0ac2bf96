"""Each lesson's exercises, their check, and their solutions."""
import os
import re
from functools import lru_cache
from pathlib import Path

import nbformat
import pytest

folder = Path(__file__).parents[1] / "nbs"
lessons = [path for place in (".", "workshop", "apps") for path in sorted((folder / place).glob("*.ipynb"))
           if "## Exercises" in path.read_text(encoding="utf-8")]


@lru_cache(maxsize=None)
def notebook(path): return nbformat.read(path, as_version=4)


def cells(path, kind):
    "The sources of a notebook's cells of a kind."
    return [cell.source for cell in notebook(path).cells if cell.cell_type == kind]


def the_check(path):
    "The cell of a lesson that checks an answer, and says so if there is none yet."
    return next(source for source in cells(path, "code") if "returns nothing yet" in source)


def exercises(path):
    "The numbers of a lesson's exercises."
    text = "\n".join(cells(path, "markdown")).split("## Exercises", 1)[1]
    return re.findall(r"(?m)^(\d)\. ", text)


@pytest.mark.parametrize("path", lessons, ids=lambda path: path.stem)
def test_all_exercises_are_solved(path):
    solutions = folder / "solutions" / path.name
    assert f"({os.path.relpath(solutions, path.parent)})" in path.read_text(encoding="utf-8")
    assert f"({os.path.relpath(path, solutions.parent)})" in solutions.read_text(encoding="utf-8")
    assert re.findall(r"(?m)^## (\d)\. ", "\n".join(cells(solutions, "markdown"))) == exercises(path)


@pytest.mark.parametrize("path", lessons, ids=lambda path: path.stem)
def test_the_lessons_check_accepts_the_solution(path):
    solved = notebook(folder / "solutions" / path.name).cells
    outputs = {cell.source: cell.outputs for cell in solved if cell.cell_type == "code"}
    # as it was executed, word for word the lesson's
    assert "Right" in "".join(output.text for output in outputs[the_check(path)])


def test_solutions_export_nothing_and_stay_small():
    for path in sorted((folder / "solutions").glob("*.ipynb")):
        exporting = re.search(r"(?m)^#\|\s*(default_exp|export)", "\n".join(cells(path, "code")))
        assert path.stat().st_size < 300_000 and not exporting, path.name

"""The lecturer's kit: slides made from a lesson, exercises with levels, and plans that lead somewhere."""
import base64
import io
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import checkout
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

sys.path += [f"{checkout}/tools", f"{checkout}/docs"]
import exercises  # noqa: E402
import slides  # noqa: E402

needs_formulas = pytest.mark.skipif(not find_spec("latex2mathml"), reason="the extra docs is missing")


def picture(height, width=90, rows=1):
    "A cell's output: rows of pictures with white between them."
    image = np.full((height, width, 3), 255, "uint8")
    for row in range(rows): image[row * height // rows + 12:(row + 1) * height // rows - 4] = 40 * row
    Image.fromarray(image).save(buffer := io.BytesIO(), "png")
    return new_output("display_data", {"image/png": base64.b64encode(buffer.getvalue()).decode()})


def deck(tmp_path, *cells):
    nbformat.write(new_notebook(cells=list(cells)), tmp_path / "lesson.ipynb")
    return slides.deck_of(tmp_path / "lesson.ipynb")


@needs_formulas
def test_one_picture_or_idea_comes_on_each_slide_and_the_text_is_for_the_speaker(tmp_path):
    made = deck(
        tmp_path, new_markdown_cell("# A lesson\n\n> What it is about"),
        new_code_cell("#| export\ndef hidden():\n    a = 1\n    return a"),
        new_code_cell("#| hide\nfor step in range(3):\n    a = step", outputs=[picture(60)]),
        new_markdown_cell("## Steps\n\nEach step is small. " + "Its words are small, too. " * 4),
        new_code_cell("for step in range(3):\n    x = x + step\nshow(x)", outputs=[picture(60)]),
        new_markdown_cell("It has [grown](#x) by $\\varepsilon$.\n\nNobody reads this from a slide."),
        new_markdown_cell("## Nothing to look at\n\n" + "Words alone are not a slide, however many. " * 4),
        new_markdown_cell("## Questions\n\n<details><summary>Why?</summary>\n\nBecause.\n</details>"))
    assert [slide.title for slide in made] == ["A lesson", "Steps", "Steps", "Steps", "Questions"]
    lead, code, shown, asked = made[1:]
    assert "Each step is small." in lead.body and "range" in code.body and "show(" not in code.body
    assert shown.body.count("<img") == 1 and "It has grown by <math" in shown.body
    assert "Nobody" in shown.notes[1]
    assert "fragment" in asked.body and not any("hidden" in slide.body for slide in made)


def test_a_tall_picture_is_cut_between_its_rows(tmp_path):
    def heights(height, rows):
        shown = new_code_cell("show()", outputs=[picture(height, rows=rows)])
        for slide in deck(tmp_path, new_markdown_cell("# A"), shown):
            data = re.search("base64,([^\"]+)", slide.body)[1]
            yield Image.open(io.BytesIO(base64.b64decode(data))).height

    assert list(heights(60, 1)) == [60]
    assert sum(found := list(heights(240, 4))) == 240 and len(found) == 4 and max(found) < 70
    assert list(heights(240, 1)) == [240]  # no white row between, no cut


@needs_formulas
def test_the_page_holds_everything_and_asks_the_internet_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "reveal_files", lambda: ("/* css */", "/* reveal */", "/* notes */"))
    page = slides.page_of(slides.deck_of(f"{checkout}/nbs/04_ascent.ipynb"))
    assert len(re.findall("<section><h[12]>", page)) > 30 and page.count("<img") > 10
    assert not re.findall(r"""<link|@import|\ssrc="(?!data:)""", page)
    assert "<math" in page and not re.search(r"\$\\|\]\(\w", page)


FLOORS = ("*", "apps/*", "workshop/*")
NOTEBOOKS = [path for part in FLOORS for path in Path(checkout).glob(f"nbs/{part}.ipynb")]


def test_each_exercise_has_a_level_a_lesson_and_a_solution():
    found = list(exercises.collected(Path(checkout) / "nbs"))  # raises for one without a solution or a level
    names = {path.relative_to(Path(checkout) / "nbs").with_suffix("").as_posix() for path in NOTEBOOKS
             if exercises.exercises_of(nbformat.read(path, as_version=4).cells)}
    assert {one[0] for one in found} == names and {one[4] for one in found} == {*exercises.LEVELS}
    page = exercises.page(Path(checkout) / "nbs")
    assert all(f"### {number}. {title} {{: #{name.split('/')[-1]}-{number} }}" in page
               for name, _, number, title, *_ in found)


PLANS = {"one": 45, "four": 90, "twelve": 90}


@pytest.mark.parametrize("name, minutes", PLANS.items())
def test_a_plan_fills_its_sessions_and_answers_what_students_ask(name, minutes):
    text = (Path(checkout) / "docs" / f"plan_{name}.md").read_text(encoding="utf-8")
    sessions = re.split("(?m)^## Session", text)[1:] or [text]
    assert len(sessions) == {"one": 1, "four": 4, "twelve": 12}[name]
    for session in sessions:
        assert sum(map(int, re.findall(r"(?m)^\| (\d+) \|", session))) == minutes, session[:40]
        asked = re.findall(r"(?m)^\*\*[^*]+\?\*\* .* \(.*\[.*\]\(.*\)\)$", session)
        assert "**Goals.**" in session and len(asked) >= 3, session[:40]


def test_what_the_plans_link_is_there():
    levels = {f"{one[0].split('/')[-1]}-{one[2]}" for one in exercises.collected(Path(checkout) / "nbs")}
    for path in Path(checkout).glob("docs/*.md"):
        text = path.read_text(encoding="utf-8")
        assert {*re.findall(r"exercises\.html#([\w-]+)", text)} <= levels, path.name
        for target, place in re.findall(r"\]\(([\w./]+\.ipynb)#([^)]+)\)", text):
            cells = nbformat.read(path.parent / target, as_version=4).cells
            texts = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
            places = [exercises.anchor(heading) for heading in re.findall("(?m)^#+ (.*)", texts)]
            assert place in places, f"{path.name}: {target}#{place}"

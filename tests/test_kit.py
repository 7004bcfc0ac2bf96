"""The lecturer's kit: slides made from a lesson, exercises with levels, and plans that lead somewhere."""
import base64
import io
import re
import sys

import nbformat
import numpy as np
import pytest
from conftest import checkout
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

sys.path += [f"{checkout}/tools", f"{checkout}/docs"]
slides = pytest.importorskip("slides", reason="the extra docs is missing")


def picture(height, width=90, rows=1):
    "A cell's output: rows of pictures with white between them."
    image = np.full((height, width, 3), 255, "uint8")
    for row in range(rows): image[row * height // rows + 12:(row + 1) * height // rows - 4] = 40 * row
    Image.fromarray(image).save(buffer := io.BytesIO(), "png")
    return new_output("display_data", {"image/png": base64.b64encode(buffer.getvalue()).decode()})


def deck(tmp_path, *cells):
    nbformat.write(new_notebook(cells=list(cells)), tmp_path / "lesson.ipynb")
    return slides.deck_of(tmp_path / "lesson.ipynb")


def test_one_picture_or_idea_comes_on_each_slide_and_the_text_is_for_the_speaker(tmp_path):
    made = deck(
        tmp_path, new_markdown_cell("# A lesson\n\n> What it is about"),
        new_code_cell("#| export\ndef hidden():\n    a = 1\n    return a"),
        new_code_cell("#| hide\nfor step in range(3):\n    a = step", outputs=[picture(60)]),
        new_markdown_cell("## Steps\n\nEach step is small. " + "So are its words, of which there are many. " * 3),
        new_code_cell("for step in range(3):\n    x = x + step\nshow(x)", outputs=[picture(60)]),
        new_markdown_cell("It has [grown](04_ascent.ipynb#x) by $\\varepsilon$.\n\nNobody reads this aloud from a slide."),
        new_markdown_cell("## Nothing to look at\n\n" + "Words alone are not a slide, however many. " * 4),
        new_markdown_cell("## Questions\n\n<details><summary>Why?</summary>\n\nBecause.\n</details>"))
    assert [slide.title for slide in made] == ["A lesson", "Steps", "Steps", "Steps", "Questions"]
    lead, code, shown, asked = made[1:]
    assert "Each step is small." in lead.body and "range" in code.body and "show(" not in code.body
    assert shown.body.count("<img") == 1 and "It has grown by <math" in shown.body and "Nobody" in shown.notes[1]
    assert "fragment" in asked.body and not any("hidden" in slide.body for slide in made)


def test_a_tall_picture_is_cut_between_its_rows(tmp_path):
    def heights(height, rows):
        for slide in deck(tmp_path, new_markdown_cell("# A"), new_code_cell("show()", outputs=[picture(height, rows=rows)])):
            data = re.search("base64,([^\"]+)", slide.body)[1]
            yield Image.open(io.BytesIO(base64.b64decode(data))).height

    assert list(heights(60, 1)) == [60]
    assert sum(found := list(heights(240, 4))) == 240 and len(found) == 4 and max(found) < 70
    assert list(heights(240, 1)) == [240]  # no white row between, no cut


def test_the_page_holds_everything_and_asks_the_internet_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "reveal_files", lambda: ("/* css */", "/* reveal */", "/* notes */"))
    page = slides.page_of(slides.deck_of(f"{checkout}/nbs/04_ascent.ipynb"))
    assert len(re.findall("<section><h[12]>", page)) > 30 and page.count("<img") > 10
    assert not re.findall(r"""<link|@import|\ssrc="(?!data:)""", page)
    assert "<math" in page and not re.search(r"\$\\|\]\(\w", page)

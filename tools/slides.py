"""A lesson as slides, in one file that needs no internet: `make slides LESSON=04_ascent`

    python tools/slides.py nbs/04_ascent.ipynb _proc/slides/04_ascent.html

Headings, pictures, formulas, short code and what it printed come on slides, one of them on each; the text
goes to the speaker's notes. The slides are run by reveal.js, which npm fetches once.
"""
import ast
import base64
import hashlib
import html
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np
from nbconvert.filters import Highlight2HTML, markdown2html
from PIL import Image

from deepdream_nb.workshop.files import (
    DeepDreamError,
    FileError,
    dreams_folder,
    make_folder,
    pip_line,
    write_atomically,
)

REVEAL = "reveal.js-5.2.1"
SETTINGS = """{hash: true, width: 1280, height: 720, margin: 0, center: false, transition: "none",
    controls: false, slideNumber: "c/t", plugins: [RevealNotes]}"""
SHA512 = "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ=="
CODE_LINES, PRINTED_LINES, ROWS = 10, 12, 9  # longer code, output and tables stay in the lesson
CAPTION, INTRODUCTION, LEAST = 230, 330, 90  # letters
HERE, LEAD = "<!-- what is said of it -->", "<p class=lead>"
NOT_SHOWN = ("Where to go next", "**Read next", "**What to read next", "Next:")
FORMULA = 110                                # letters of LaTeX in the largest size
FLATTEST = 0.62                              # height by width of a part of a tall picture


def reveal_archive():
    "The archive of reveal.js, which npm fetches at the first call; raises `FileError`."
    kept = make_folder(dreams_folder() / "slides") / f"{REVEAL}.tgz"
    if not kept.is_file():
        npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
        if not npm:
            line = pip_line("[page]")
            raise FileError(f"npm is needed to fetch {REVEAL}; it comes with Node.js, or: {line}")
        with tempfile.TemporaryDirectory() as folder:
            line = [npm, "pack", "@".join(REVEAL.rsplit("-", 1)), "--loglevel", "error"]
            done = subprocess.run(line, capture_output=True, text=True, cwd=folder)
            if done.returncode: raise FileError(f"npm cannot fetch {REVEAL}: {done.stderr.strip():.200}")
            write_atomically(kept, next(Path(folder).glob("*.tgz")).read_bytes())
    if base64.b64encode(hashlib.sha512(kept.read_bytes()).digest()).decode() == SHA512: return kept
    kept.unlink()
    raise FileError(f"what npm fetched is not the known {REVEAL}; it was removed, try again")


def reveal_files():
    "The style sheet and the scripts of reveal.js, with its licence, as texts: (css, reveal, notes)."
    with tarfile.open(reveal_archive()) as archive:
        def text(name): return archive.extractfile(f"package/{name}").read().decode()
        licence = f"/* {text('LICENSE')} */\n"
        return licence + text("dist/reveal.css"), text("dist/reveal.js"), text("plugin/notes/notes.js")


@dataclass
class Slide:
    """What is seen, as HTML, under a title, and the paragraphs of Markdown that are said with it."""
    title: str
    body: str
    starts: bool = False  # a part of the lesson
    notes: list = field(default_factory=list)


def spoken(text):
    "Markdown without its links to other pages of the course, which a slide could not follow."
    return re.sub(r"(?<!!)\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


def with_formulas(text):
    "HTML with its formulas as MathML, which needs no script."
    if "$" not in text: return text
    from latex2mathml.converter import convert

    def drawn(one): return convert(html.unescape(one[1] or one[2]), display="block" if one[1] else "inline")
    return re.sub(r"(?s)\$\$(.+?)\$\$|(?<!\w)\$([^$\n]+?)\$(?!\w)", drawn, text)


def rendered(text): return with_formulas(markdown2html(spoken(text)))


def inline(text): return re.sub(r"^\s*<p>(.*)</p>\s*$", r"\1", rendered(text), flags=re.DOTALL)


def sentences(text):
    return re.split(r"(?:(?<=[.!?])|(?<=[.!?]\*\*))\s+(?=[A-Z`*$\[(])", " ".join(text.split()))


def shortened(text, letters):
    """The first sentences of a text, as many as there is room for, less one that leads on to a picture; none
    if the first one is too long."""
    kept = ""
    for one in sentences(text):
        if len(spoken(f"{kept} {one}")) > letters or not re.search(r"[.!?][*)\"']*$", one): break
        kept = f"{kept} {one}".strip()
    return kept


def parts_of(picture):
    "A picture cut into parts that fill a slide, at white rows below rows of pictures; most need no cut."
    width, height = picture.size
    count = round(height / width / FLATTEST)
    if count < 2: return [picture]
    white = np.asarray(picture.convert("L")) > 235
    rows = white.all(axis=1)
    ends = [row for row in range(4, height) if rows[row] and white[row - 4:row].mean() < 0.5]
    wanted = [height * k / count for k in range(1, count)] if ends else []
    cuts = {min(ends, key=lambda row: abs(row - place)) for place in wanted}
    edges = [0, *sorted(cut for cut in cuts if height - cut > 0.1 * height), height]
    return [picture.crop((0, top, width, bottom)) for top, bottom in zip(edges, edges[1:])]


def as_image(data, kind, alt=""):
    "An image element with the picture inside."
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/{kind};base64,{encoded}">'


def as_images(data, kind, alt=""):
    "One image element for each part of a picture."
    if kind == "svg+xml": return [as_image(data, kind, alt)]
    parts = parts_of(Image.open(io.BytesIO(data)))
    if len(parts) == 1: return [as_image(data, kind, alt)]
    found = []
    for part in parts:
        part.convert("RGB").save(buffer := io.BytesIO(), "jpeg", quality=90)
        found.append(as_image(buffer.getvalue(), "jpeg", alt))
    return found


def visible(cell):
    "The code of a cell without its flags, or nothing where a reader would skip it."
    flags = re.findall(r"(?m)^#\|\s*(\w+)", cell.source)
    if {"export", "exporti", "hide", "default_exp"} & {*flags}: return ""
    return re.sub(r"(?m)^#\|.*\n?", "", cell.source).strip()


def is_idea(code):
    "Does code say how something is done, in a few lines? It has a loop that computes, or a longer function."
    if len(code.splitlines()) > CODE_LINES or re.search(r"(?m)^ +.*\bshow\(", code): return False
    for one in ast.walk(ast.parse(re.sub(r"(?m)^[%!].*", "pass", code))):
        if isinstance(one, ast.FunctionDef) and len(one.body) - bool(ast.get_docstring(one)) > 1: return True
        if isinstance(one, (ast.For, ast.While)):
            if any(isinstance(part, (ast.Assign, ast.AugAssign)) for part in one.body): return True
    return False


def coloured(code): return Highlight2HTML(pygments_lexer="python")(code, language="python")


def fitted(typed, printed):
    "Code and what it printed, in letters as large as the slide has room for."
    lines = f"{typed}\n{printed}".strip().splitlines()
    size = min(26, 1980 / max(map(len, lines)), 380 / len(lines))
    made = coloured(typed) if typed else ""
    if printed: made += f"<pre class=printed>{html.escape(printed)}</pre>"
    return f'<div style="font-size: {size:.1f}px">{made}</div>'


def blocks(text):
    "The blocks of a cell's Markdown; a formula, a list, a table or a question is one."
    parts = re.split(r"(?ms)(^ *```.*?^ *```$|^\$\$.*?\$\$|<details>.*?</details>)", text)
    for part in parts:
        if part.strip().startswith(("```", "$$", "<details>")): yield part.strip()
        else: yield from (one.strip("\n") for one in re.split(r"\n\s*\n(?! )", part) if one.strip())


class Deck:
    "The slides of a notebook, in their order."
    def __init__(self, folder):
        self.folder, self.slides, self.title, self.said, self.starts = folder, [], "", "", False

    def add(self, body, title=None):
        "A slide; what is said from here on belongs to it."
        self.slides.append(Slide(self.title if title is None else title, body, self.starts))
        self.starts = False

    def say(self, text):
        "A paragraph: a slide of its own where a part begins, and notes of the slide in any case."
        first = shortened(text, INTRODUCTION)
        if self.starts and text[0] not in "*(" and len(first) > LEAST:
            self.add(f"{LEAD}{inline(first)}</p>")
        elif self.slides and not self.starts:
            is_credit = re.fullmatch(r"(?s)\*[^*].*\*", text)
            caption = f"<small>{inline(text)}</small>" if is_credit else inline(shortened(text, CAPTION))
            self.slides[-1].body = self.slides[-1].body.replace(HERE, caption)
        if self.slides: self.slides[-1].notes.append(text)
        self.said = text

    def picture(self, data, kind, alt=""):
        for one in as_images(data, kind, alt):
            self.add(f"<figure>{one}<figcaption>{HERE}</figcaption></figure>")

    def heading(self, text):
        self.drop_a_mere_lead()
        self.title, self.starts, self.said = text.lstrip("# "), True, ""

    def drop_a_mere_lead(self):
        "A part without a picture, a formula, a list or code has nothing to be looked at."
        if len(self.slides) < 2 or not (last := self.slides[-1]).starts: return
        if LEAD in last.body and "fragment" not in last.body: self.slides.pop()

    def items(self, text):
        "A list: each item's first sentences, on two slides if they are many."
        mark = "ol" if text.lstrip()[0].isdigit() else "ul"
        found = [re.sub(r"^(\d+\.|[-*]) ", "", one) for one in re.split(r"\n(?=\d+\. |[-*] )", text.strip())]
        short = [inline(shortened(one, INTRODUCTION) or one) for one in found]
        half = len(short) if sum(map(len, found)) < 1000 else (len(short) + 1) // 2
        for start in (0, half):
            rows = "".join(f"<li>{one}</li>" for one in short[start:start + half])
            if rows: self.add(f'<{mark} start="{start + 1}">{rows}</{mark}>')
        self.slides[-1].notes.append(text)

    def question(self, text):
        asked, answer = re.search(r"(?s)<summary>(.*?)</summary>(.*)</details>", text).groups()
        answer = inline(answer.strip())
        self.add(f"{LEAD}{with_formulas(asked)}</p><p class=fragment>{answer}</p>")

    def block(self, text):
        "A block of Markdown."
        image = re.fullmatch(r"!\[([^]]*)\]\(([^)]+)\)", text)
        if text.startswith("#"):
            self.heading(text.split("\n")[0])
            if "\n" in text: self.block(text.split("\n", 1)[1].strip())
        elif image:
            path = self.folder / image[2]
            kind = {"jpg": "jpeg", "svg": "svg+xml"}.get(path.suffix[1:], path.suffix[1:])
            self.picture(path.read_bytes(), kind, image[1])
        elif text.startswith("$$"):
            lead = sentences(self.said)[-1] if self.said else ""
            lead = f"<p>{inline(lead)}</p>" if len(lead) <= CAPTION else ""
            size = max(24, min(40, 40 * FORMULA / len(text)))
            self.add(f'{lead}<div class=formula style="font-size: {size:.0f}px">{with_formulas(text)}</div>')
        elif text.startswith("|"):
            if len(text.splitlines()) <= ROWS + 2: self.add(rendered(text))
        elif text.startswith("<details>"): self.question(text)
        elif text.startswith(("```", "<", "    ")): pass
        elif text.startswith(">"): self.add(f"{LEAD}{inline(text.lstrip('> '))}</p>")
        elif re.match(r"(1\.|[-*]) ", text): self.items(text)
        elif goals := re.match(r"(?s).*?\*\*Afterwards,? you can\*\*(.*)", text):
            kept, self.title = self.title, "Afterwards you can"
            self.items("\n".join(f"- {one}" for one in re.split(r";\s+(?:and )?", goals[1].strip(" .\n"))))
            self.title = kept
        elif asked := re.match(r"(?s)\*\*(The question)\.?\*\*(.*)", text):
            self.add(f"{LEAD}{inline(shortened(asked[2], 1.5 * INTRODUCTION))}</p>", asked[1])
            self.slides[-1].notes.append(asked[2])
        elif self.title not in NOT_SHOWN and not text.startswith(NOT_SHOWN): self.say(text)

    def code(self, cell):
        "A code cell: its pictures, what it printed, and its code if that is an idea."
        if not (code := visible(cell)): return
        pictures, printed = [], ""
        for output in cell.outputs:
            data = output.get("data", {})
            kind = next((kind for kind in ("image/jpeg", "image/png", "image/gif") if kind in data), None)
            if kind: pictures.append((base64.b64decode(data[kind]), kind.split("/")[1]))
            elif output.output_type == "stream" and output.name == "stdout": printed += output.text
            elif not data.get("text/plain", "<").startswith("<"): printed += data["text/plain"] + "\n"
        typed = re.sub(r"(?m)^(show|print)\(.*\n?", "", code).strip() if is_idea(code) else ""
        printed, lines = printed.strip("\n"), printed.strip("\n").splitlines()
        few = 0 < len(lines) <= PRINTED_LINES and max(map(len, lines)) <= 110 and (typed or len(printed) > 40)
        if not few or "returns nothing yet" in printed: printed = ""
        if typed or printed: self.add(f"{fitted(typed, printed)}<p>{HERE}</p>")
        for one in pictures: self.picture(*one)


def deck_of(path):
    "The slides of a notebook: [Slide]."
    deck = Deck(Path(path).parent)
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code": deck.code(cell)
        elif cell.cell_type == "markdown":
            for text in blocks(cell.source): deck.block(text)
    deck.drop_a_mere_lead()
    return deck.slides


def page_of(slides):
    "The slides as one page."
    css, reveal, notes = reveal_files()
    title, sections = slides[0].title, []
    for number, slide in enumerate(slides):
        mark = "h2" if number else "h1"
        said = "<aside class=notes>" + rendered("\n\n".join(slide.notes)) + "</aside>" if slide.notes else ""
        made = f"<section><{mark}>{inline(slide.title)}</{mark}>{slide.body}{said}</section>"
        if slide.starts or not sections: sections.append([])
        sections[-1].append(made)
    stacks = "\n".join("<section>" + "\n".join(one) + "</section>" for one in sections)
    style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    head = f"<meta charset=utf-8><title>{html.escape(title)}</title><style>{css}{style}</style>"
    scripts = "".join(f"<script>{one}</script>" for one in (reveal, notes, f"Reveal.initialize({SETTINGS})"))
    shown = f"<div class=reveal><div class=slides>\n{stacks}\n</div></div>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{shown}{scripts}</body></html>"


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        if not source.is_file(): raise FileError(f"there is no notebook {source}; try LESSON=04_ascent")
        slides = deck_of(source)
        make_folder(target.parent)
        write_atomically(target, page_of(slides).encode())
    except DeepDreamError as error: sys.exit(f"make slides: {error}")
    print(f"{target}: {len(slides)} slides, {target.stat().st_size / 1e6:.1f} MB. Open it in a browser; "
          "S shows the notes, Esc all slides, F fills the screen.")

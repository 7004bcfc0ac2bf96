"""The page of exercises: collected from the lessons, each with its level, its lesson and its solution."""
import os
import re
import unicodedata
from pathlib import Path

import nbformat

PAGE = Path("docs/exercises.md")
LEVELS = {
    "easy": "change a value or a line in a cell of the lesson, and look",
    "medium": "write a function or some lines of your own, or measure something",
    "hard": "an experiment or a program of your own; allow an hour or more",
}
GIVEN = {  # the level of each exercise of a notebook, by its first letter: easy, medium, hard
    "00_first_dream": "eeem",
    "01_images": "eem",
    "02_networks": "ehm",
    "03_objectives": "eme",
    "03a_penalties_and_transformations": "eme",
    "04_ascent": "eeem",
    "04a_fourier_space": "emm",
    "05_octaves": "mmee",
    "06_large_pictures": "mee",
    "06a_records": "mem",
    "07_recipes": "eme",
    "08_style_transfer": "eehmm",
    "09_vgg_dreams": "eemm",
    "10_inception_dreams": "emee",
    "11_feature_visualization": "emm",
    "11a_what_a_photo_becomes": "emh",
    "11b_concepts": "emm",
    "12_guided_dreams": "mmhm",
    "12a_masks_and_losses": "mme",
    "13_is_it_true": "emem",
    "13a_what_a_step_is_worth": "emm",
    "14_datasets": "emhm",
    "15_inception_retraining": "mmehh",
    "16_gan_dreams": "eemm",
    "16a_gan_training": "hmmm",
    "16b_latent_dreams": "memm",
    "16c_autoencoders": "mhmm",
    "17_dream_filters": "eheh",
    "18_films": "eemm",
    "20_panels": "emmm",
    "21_benchmarks": "mem",
    "apps/cli": "eem",
    "apps/explorer": "emh",
    "apps/folder_runs": "hmeh",
    "apps/studio": "emh",
    "workshop/archives": "mmm",
    "workshop/widgets": "memm",
}


def title_of(cells): return re.match(r"# (.*)", cells[0].source)[1]


def exercises_of(cells):
    "The exercises of a notebook in their order, as Markdown; a lesson without any has none."
    texts = [cell.source if cell.cell_type == "markdown" else "" for cell in cells]
    start = next((i for i, text in enumerate(texts) if "## Exercises" in text), None)
    if start is None: return []
    text = "\n\n".join(texts[start:start + 2]).partition("## Exercises")[2]
    found = dict(re.findall(r"(?m)^(\d+)\. (.+(?:\n[^\n\d].*)*)", text))
    return [found[str(number)] for number in range(1, len(found) + 1)]


def solved(cells):
    "The titles of a notebook of solutions by the number of the exercise."
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {int(number): title for number, title in re.findall(r"(?m)^## (\d+)\. (.*)", text)}


def anchor(heading):
    "The anchor that the site gives to a heading."
    plain = unicodedata.normalize("NFKD", re.sub(r"[`*]", "", heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def collected(notebooks=Path("nbs")):
    "The exercises, in the order of the course: (notebook, its title, number, title, level, Markdown)."
    for name, letters in GIVEN.items():
        path = notebooks / f"{name}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        solutions = solved(nbformat.read(notebooks / "solutions" / path.name, as_version=4).cells)
        texts = exercises_of(cells)
        if not len(texts) == len(letters) == len(solutions):
            counts = f"{len(texts)} exercises, {len(solutions)} solutions, {len(letters)} levels"
            raise ValueError(f"{name} has {counts}")
        for number, (text, letter) in enumerate(zip(texts, letters), start=1):
            level = next(one for one in LEVELS if one[0] == letter)
            yield name, title_of(cells), number, solutions[number], level, moved(text, path.parent)


def moved(text, folder):
    "Markdown with its links to files as they are from the page of exercises."
    def link(found): return f"]({os.path.relpath(folder / found[1], PAGE.parent)}"
    return re.sub(r"\]\((?![a-z]+:|#)([^)#\s]+)", link, text)


def page(notebooks=Path("nbs")):
    "The page of exercises as Markdown."
    found, lines, table = list(collected(notebooks)), [], {}
    for name, title, number, short, level, text in found:
        lesson = f"../nbs/{name}.ipynb"
        if number == 1: lines.append(f"## {title} {{: #{Path(name).name} }}")
        solution = f"../nbs/solutions/{Path(name).name}.ipynb#{anchor(f'{number}. {short}')}"
        lines += [f"### {number}. {short} {{: #{Path(name).name}-{number} }}",
                  f'<span class="level {level}">{level}</span> {text}',
                  f"[In the lesson]({lesson}#exercises) · [A solution]({solution})"]
        table.setdefault((name, title), {}).setdefault(level, []).append(number)
    rows = []
    for (name, title), numbers in table.items():
        place = f"#{Path(name).name}"
        cells = (" ".join(f"[{n}]({place}-{n})" for n in numbers.get(level, ())) for level in LEVELS)
        rows.append(f"| [{title}]({place}) | {' | '.join(cells)} |")
    counts = {level: sum(one[4] == level for one in found) for level in LEVELS}
    meaning = "\n".join(f'- <span class="level {level}">{level}</span> ({counts[level]}): {what}.'
                        for level, what in LEVELS.items())
    return "\n\n".join([
        "# Exercises",
        f"All {len(found)} exercises of the course. They are done in the lesson, whose cells they use: "
        "*above* and *below* mean there. Most lessons have one with a cell that checks the answer. Each "
        "exercise has a worked solution.",
        meaning,
        "\n".join(["| | easy | medium | hard |", "|---|---|---|---|", *rows]), *lines]) + "\n"

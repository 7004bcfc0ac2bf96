"""What MkDocs does here: floor by floor in the navigation, and formulas as MathML, which needs no script."""
import html
import re
from pathlib import Path

from latex2mathml.converter import convert

OVERVIEWS = {"lessons": ["docs/course.md"]}
TEACHING = ("plans", "plan_one", "plan_four", "plan_twelve", "exercises")
PARTS = ("lessons", "workshop", "apps", "solutions", "reference")


def on_config(config):
    "The navigation: the parts in their order; in the reference the course's modules come first."
    pages = Path(config.docs_dir)
    config.nav = ["index.md"]
    for part in PARTS:
        found = sorted(pages.glob(f"{part}/*.md"), key=lambda page: (page.name.count("."), page.name))
        inside = [page.relative_to(pages).as_posix() for page in found]
        config.nav.append({part.capitalize(): [*OVERVIEWS.get(part, ()), *inside]})
        if part == "lessons": config.nav += [{"Teaching": [f"docs/{page}.md" for page in TEACHING]}]
    config.nav += [{"Help": ["docs/questions.md", "docs/glossary.md", "docs/bibliography.md"]}]
    return config


def on_page_content(content, **_):
    def drawn(formula):
        return convert(html.unescape(formula[2]), display="block" if formula[1] == "div" else "inline")

    return re.sub(r'(?s)<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', drawn, content)

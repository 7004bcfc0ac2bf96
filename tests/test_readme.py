"""What the README tells a newcomer to type works as it stands there."""
import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from deepdream_nb.apps.cli import load_app
from deepdream_nb.images import data_folder, load_image

TEXT = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
# The lines as they are printed there, and after them what makes them short.
SHORT = {
    "dream": "--max-side 64", "fast": "--max-side 64", "classify": "", "style": "--max-side 64 --steps 1",
    "zoom": "--max-side 64 --frames 2 --steps 1", "dataset": "--size 64 --limit 2",
    "train-filter": "--steps 2 --batch 2 --limit 4 --size 64 --side 64", "panels": "--help",
}
MADE = {"style": ".png", "dream": ".png", "fast": ".png", "zoom": ".mp4", "train-filter": ".filter"}


def blocks(language, part=TEXT):
    "The blocks of code of a language, in their order."
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def lines():
    "What is typed in a terminal, without the comments."
    part = TEXT.partition("\n## In a terminal\n")[2].partition("\n## ")[0]
    return [shlex.join(shlex.split(line, comments=True)) if line.startswith("deepdream") else line
            for block in blocks("sh", part) for line in block.splitlines()]


def test_what_is_typed_in_a_terminal_works_in_its_order(tmp_path, monkeypatch):
    (tmp_path / "data" / "paintings").mkdir(parents=True)
    for path in [*data_folder().glob("*.jpg"), *data_folder().glob("paintings/*.jpg")]:
        with Image.open(path) as picture:
            picture.thumbnail((96, 96))
            picture.save(tmp_path / "data" / path.relative_to(data_folder()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    app, seen = load_app(), set()
    for line in lines():
        words, before = shlex.split(line, comments=True), {*tmp_path.iterdir()}
        if words[0] != "deepdream":
            if words[0] != "pip": subprocess.run(line, shell=True, check=True)
            continue
        app([*words[1:], *SHORT[words[1]].split()], standalone_mode=False)
        seen.add(words[1])
        made = [path for path in {*tmp_path.iterdir()} - before if path.suffix == MADE.get(words[1])]
        assert len(made) == (words[1] in MADE), line
        if made and made[0].suffix == ".png": assert max(load_image(made[0]).shape) == 64
    assert len([*(tmp_path / "dreams" / "dream").glob("*.png")]) == 2 and seen == {*SHORT}


def test_extras_that_are_to_be_installed_are_known():
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).parents[1] / "settings.ini", encoding="utf-8")
    named = {name for names in re.findall(r"pip install .*?\[([\w,]+)\]", TEXT) for name in names.split(",")}
    assert named >= {"films", "panels", "phone"}
    assert all(f"{name}_requirements" in settings["DEFAULT"] for name in named)


def test_a_newcomer_is_told_how_the_terminal_finds_the_command():
    first = TEXT.partition("\n## In a terminal\n")[0]
    assert "source .venv/bin/activate" in blocks("sh", first)[0]
    assert ".venv\\Scripts\\activate" in blocks("bat", first)[0]


def test_the_snippets_are_one_script(tmp_path):
    script = "\n".join(blocks("python"))
    assert script.startswith("from deepdream_nb import load_image")
    (tmp_path / "try.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "try.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "TQDM_DISABLE": "1"})
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "the same in every pixel" in done.stdout
    assert {"stream.dream.png", "show.jpg", "show.2.jpg"} <= {path.name for path in tmp_path.iterdir()}

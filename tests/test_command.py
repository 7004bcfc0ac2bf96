"""The command line as users meet it: as a process."""
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import command

from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.recipes import read_record

QUICK = ("--steps", 2, "--octaves", 2)


def test_dream_recipe_and_replay(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", *QUICK)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr  # nothing of TensorFlow's notices
    assert "cat.dream.png  120x80 pixels" in done.stdout and "deepdream replay cat.dream.png --input cat.jpg" in done.stdout
    assert load_image(tmp_path / "cat.dream.png").shape == (80, 120, 3)
    assert str(tmp_path) not in (tmp_path / "cat.dream.png").read_bytes().decode("latin-1")
    printed = deepdream("recipe", "cat.dream.png").stdout
    assert json.loads(printed)["steps"] == 2
    (tmp_path / "mine.json").write_text(printed)
    assert deepdream("dream", "cat.jpg", "--recipe", "mine.json", "--out", "again.png").returncode == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "cat.dream.png").read_bytes()
    assert "the same in every pixel" in deepdream("replay", "cat.dream.png", "--input", "cat.jpg").stdout


def test_options_reach_the_recipe(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", "--layer", "fire4", "--layer", "fire6", *QUICK, "--seed", 7, "--max-side", 90, "--dtype", "bfloat16", "--out", "cat.jpeg")
    assert done.returncode == 0, done.stderr
    recipe = read_record(tmp_path / "cat.jpeg").recipe
    assert (recipe.objective, recipe.seed, recipe.dtype) == ('layer("fire4") + layer("fire6")', 7, "bfloat16")
    assert load_image(tmp_path / "cat.jpeg").shape == (60, 90, 3)


def test_style_and_its_replay(deepdream, tmp_path):
    save_image(load_image(sample("hubble"), max_side=90), tmp_path / "stars.jpg")
    done = deepdream("style", "cat.jpg", "stars.jpg", "--steps", 3, "--scales", 2, "--keep-colors", "luminance")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert load_image(tmp_path / "cat.style.png").shape == (80, 120, 3)
    assert "the same in every pixel" in deepdream("replay", "cat.style.png", "--input", "cat.jpg", "--style", "stars.jpg").stdout


def test_guides_and_their_replay(deepdream, tmp_path):
    cat = load_image(tmp_path / "cat.jpg")
    (tmp_path / "cups").mkdir()
    for place in range(2): save_image(load_image(sample("coffee"), max_side=90 + 10 * place), tmp_path / "cups" / f"{place}.png")
    save_image(load_image(sample("hubble"), max_side=70), tmp_path / "stars.jpg")
    left = np.zeros_like(cat)
    left[:, :60] = 1
    save_image(left, tmp_path / "left.png")
    guides = ("--guide", "cups", "--guide", "stars.jpg", "--guide-mask", "all", "--guide-mask", "left.png")
    done = deepdream("dream", "cat.jpg", *QUICK, *guides, "--guide-weight", 1, "--guide-weight", 2.5, "--guide-layer", "fire4", "--match", "transport")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    record = read_record(tmp_path / "cat.dream.png")
    assert record.recipe.objective == 'transport("fire4") + 2.5 * masked(transport("fire4", "guide2"), "mask2")'
    assert list(record.pictures) == ["guide", "guide2", "mask2"]
    again = done.stdout.split("Make it again:  deepdream ")[1].split()
    assert again[4:] == list(guides) and "the same in every pixel" in deepdream(*again).stdout
    assert "guide2: not what" in deepdream("replay", "cat.dream.png", "--input", "cat.jpg", "--guide", "cups", "--guide", "cat.jpg", *guides[4:]).stderr
    other = deepdream("dream", "left.png", "--recipe", "cat.dream.png", "--guide", "cat.jpg", "--guide", "cups", "--guide-mask", "all", "--guide-mask", "cat.jpg", "--out", "other.png")
    assert other.returncode == 0 and read_record(tmp_path / "other.png").recipe == record.recipe, other.stderr
    both = deepdream("dream", "cat.jpg", *QUICK, "--layer", "fire6", "--guide", "stars.jpg", "--out", "both.png")
    assert both.returncode == 0 and read_record(tmp_path / "both.png").recipe.objective == 'layer("fire6") + filters("fire5")', both.stderr


def test_layers_and_named_recipes(deepdream):
    assert "fire9" in deepdream("layers").stdout and "fire9_expand3" in deepdream("layers", "squeezenet", "--all").stdout
    assert "swirls" in deepdream("recipe", "--list").stdout


@pytest.mark.parametrize("arguments, said", [
    (["dream", "dog.jpg"], "there is no file dog.jpg"),
    (["dream", "text.jpg"], "text.jpg is not a picture"),
    (["dream", "."], "is a folder"),
    (["dream", "cat.jpg", "--out", "cat.tiff"], ".png, .jpg, .jpeg, .webp"),
    (["dream", "cat.jpg", "--out", "nowhere/cat.png"], "there is no folder nowhere"),
    (["dream", "cat.jpg", "--out", "cat.jpg"], "--force"),
    (["dream", "cat.jpg", "--layer", "fire55"], "fire5"),
    (["dream", "cat.jpg", "--objective", "layer('fire5'"], "cannot read the objective"),
    (["dream", "cat.jpg", "--objective", "layer('fire5')", "--layer", "fire5"], "not both"),
    (["dream", "cat.jpg", "--network", "vgg_19"], "vgg19"),
    (["dream", "cat.jpg", "--recipe", "furr"], "fur"),
    (["dream", "cat.jpg", "--recipe", "cat.jpg"], "carries no recipe"),
    (["dream", "cat.jpg", "--steps", "-1"], "steps is from 0"),
    (["dream", "cat.jpg", "--steps", "many"], "--steps"),
    (["dream", "cat.jpg", "--weights", "none.h5", "--network", "vgg19"], "no weights file none.h5"),
    (["recipe"], "--list"),
    (["recipe", "cat.jpg"], "carries no recipe"),
    (["draem", "cat.jpg"], "draem"),
    (["style", "cat.jpg", "none.jpg"], "there is no file none.jpg"),
    (["style", "cat.jpg", "cat.jpg", "--steps", "0"], "steps is a whole number from 1"),
    (["style", "cat.jpg", "cat.jpg", "--style-weight", "-1"], "the style weight is a number from 0 on"),
    (["style", "cat.jpg", "cat.jpg", "--layers", "fire3,fire55"], "fire5"),
    (["style", "cat.jpg", "cat.jpg", "--style-weights", "1,2"], "2 numbers for 1 style"),
    (["style", "flat.png", "cat.jpg"], "too small"),
    (["style", "cat.jpg", "cat.jpg", "--network", "mobilenet"], "name the style layers"),
    (["dream", "cat.jpg", "--max-side", "20"], "too small"),
    (["dream", "cat.jpg", "--guide", "none.jpg"], "there is no file none.jpg"),
    (["dream", "cat.jpg", "--guide", "empty"], "there is no picture in the folder empty"),
    (["dream", "cat.jpg", "--guide", "cat.jpg", "--match", "dots"], "there is no match 'dots'"),
    (["dream", "cat.jpg", "--guide", "cat.jpg", "--guide-weight", "1", "--guide-weight", "2"], "2 weights for 1 guide"),
    (["dream", "cat.jpg", "--guide", "flat.png"], "'guide': a picture of 120x1 pixels is too small"),
    (["dream", "cat.jpg", "--match", "dot"], "go with a --guide"),
])
def test_one_line_for_each_error(deepdream, tmp_path, arguments, said):
    (tmp_path / "text.jpg").write_text("no picture at all")
    save_image(load_image(tmp_path / "cat.jpg")[:1], tmp_path / "flat.png")
    (tmp_path / "empty").mkdir()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    done = deepdream(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("deepdream: ") and done.stderr.count("\n") == 1 and said in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before  # nothing written, nothing lost


def test_help_and_import_leave_tensorflow_alone():
    assert "Example" in subprocess.run([command, "dream", "--help"], capture_output=True, text=True).stdout
    script = "import sys; from deepdream_nb import cli; print([name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'keras', 'matplotlib')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]" and done.stderr == ""


def _heed_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that runs the tests in the background has it ignored


@pytest.mark.parametrize("signum, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_dream_leaves_its_checkpoint(tmp_path, deepdream, signum, status):
    process = subprocess.Popen([command, "dream", "cat.jpg", "--steps", "100000"], cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interrupts)
    try:
        time.sleep(8)
        assert process.poll() is None
        process.send_signal(signum)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status and "Traceback" not in error
    assert sorted(os.listdir(tmp_path)) == ["cat.dream.png.part", "cat.jpg"]
    other = deepdream("dream", "cat.jpg", "--steps", 5, "--resume", "--recipe", "fur")
    assert other.returncode == 2 and "another recipe (" in other.stderr

"""The command line as users meet it."""
import fcntl
import inspect
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from processes import COMMAND

from deepdream_nb.filters import filter_names, load_filter
from deepdream_nb.images import load_image, read_note, sample, save_image
from deepdream_nb.octaves import octave_sizes
from deepdream_nb.recipes import Recipe, recipes, with_effort
from deepdream_nb.records import read_checkpoint, read_record
from deepdream_nb.workshop.embedded import EMBEDDED

WAVES = ("--recipe", "fur", "--min-side", 0, "--parameterization", "fourier")
QUICK = ("--network", "squeezenet", "--steps", 2, "--octaves", 2, "--min-side", 0)


def test_dream_recipe_and_replay(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", *QUICK, own_process=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr  # nothing of TensorFlow's notices
    assert "cat.squeezenet.png  120x80 pixels" in done.stdout
    assert " replay cat.squeezenet.png --input cat.jpg" in done.stdout
    assert load_image(tmp_path / "cat.squeezenet.png").shape == (80, 120, 3)
    assert str(tmp_path) not in (tmp_path / "cat.squeezenet.png").read_bytes().decode("latin-1")
    printed = deepdream("recipe", "cat.squeezenet.png").stdout
    assert json.loads(printed)["steps"] == 2
    (tmp_path / "mine.json").write_text(printed)
    assert deepdream("dream", "cat.jpg", "--recipe", "mine.json", "--out", "again.png").returncode == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "cat.squeezenet.png").read_bytes()
    assert "the same in every pixel" in deepdream("replay", "cat.squeezenet.png", "--input", "cat.jpg").stdout


def test_the_default_dream(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "cat.dream.png  640x427 pixels" in done.stdout and "to load lite0" in done.stdout
    assert "enlarged from 120x80; --min-side 0 keeps it" in done.stdout
    recipe = read_record(tmp_path / "cat.dream.png").recipe
    assert recipe == replace(recipes["default"], octaves=3)  # as many as fit are written down
    assert "the same in every pixel" in deepdream("replay", "cat.dream.png", "--input", "cat.jpg").stdout


def test_a_network_brings_its_first_recipe(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", "--network", "squeezenet", "--steps", 1, "--min-side", 0)
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "cat.squeezenet.png").recipe == replace(
        recipes["terriers"], steps=1, min_side=0, octaves=1)  # as many as fit


def test_options_reach_the_recipe(deepdream, tmp_path):
    more = ("--seed", 7, "--max-side", 90, "--dtype", "bfloat16", "--out", "cat.jpeg")
    done = deepdream("dream", "cat.jpg", "--layer", "fire4", "--layer", "fire6", *QUICK, *more)
    assert done.returncode == 0, done.stderr
    recipe = read_record(tmp_path / "cat.jpeg").recipe
    assert (recipe.objective, recipe.seed, recipe.dtype) == ('layer("fire4") + layer("fire6")', 7, "bfloat16")
    assert load_image(tmp_path / "cat.jpeg").shape == (60, 90, 3)


def test_every_setting_is_an_option_but_those_of_names():
    from deepdream_nb.apps.cli_dreams import dream_command
    options = inspect.signature(dream_command).parameters
    settings = {one.name for one in fields(Recipe) if one.metadata}
    assert settings - {*options} == {"cures"}
    assert all(one.default is None for name, one in options.items() if name in settings)


def test_steps_for_each_size(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", *QUICK, "--steps", "3,2")
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "cat.squeezenet.png").recipe.steps == (3, 2)
    assert "the same in every pixel" in deepdream("replay", "cat.squeezenet.png", "--input", "cat.jpg").stdout


def test_effort_changes_the_steps_and_single_settings_win(deepdream, tmp_path):
    small = ("--max-side", 64, "--min-side", 0)
    assert not deepdream("dream", "cat.jpg", "--effort", "quick", *small, "--seed", 5).returncode
    recipe = read_record(tmp_path / "cat.dream.png").recipe
    assert recipe.steps == (6, 4, 2) and recipe.seed == 5
    assert recipe.step_size == with_effort("default", "quick").step_size > recipes["default"].step_size
    done = deepdream("dream", "cat.jpg", "--effort", "some", "--force")
    assert done.returncode == 2 and "the effort is quick, usual, full, not 'some'" in done.stderr


def test_what_is_printed_can_be_pasted_where_the_environment_is_not_active(deepdream, tmp_path):
    command = tmp_path / "of the project" / "deepdream"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nexec %s -c 'import sys; from deepdream_nb.apps.cli import main; "
                       "sys.argv[0] = sys.argv.pop(1); main()' \"$0\" \"$@\"\n" % sys.executable)
    command.chmod(0o755)
    run = dict(shell=True, cwd=tmp_path, capture_output=True, text=True)
    quick = "cat.jpg --recipe glaze --steps 1 --min-side 0"
    said = subprocess.run(f"'of the project/deepdream' dream {quick}", **run).stdout
    line = said.splitlines()[1].partition("  ")[2]
    assert line.startswith("'of the project/deepdream' replay ")
    assert "the same in every pixel" in subprocess.run(line, **run).stdout
    active = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    said = subprocess.run(f"deepdream dream {quick} --force", env=active, **run).stdout
    assert said.splitlines()[1].startswith("Make it again:  deepdream replay ")


def test_classify_says_what_a_network_sees(deepdream, tmp_path):
    lines = deepdream("classify", "cat.jpg", "--count", 2).stdout.splitlines()
    assert len(lines) == 2 and "cat" in lines[0] and all("%" in line for line in lines)
    (tmp_path / "photos" / "tabby").mkdir(parents=True)
    (tmp_path / "cat.jpg").rename(tmp_path / "photos" / "tabby" / "a.jpg")
    said = deepdream("classify", "photos", "--network", "squeezenet").stdout
    assert said.startswith("squeezenet is right on") and "photos of 1 classes" in said
    done = deepdream("classify", "nothing.jpg")
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_names_with_blanks_are_quoted(deepdream, tmp_path):
    (tmp_path / "cat.jpg").rename(tmp_path / "my cat.jpg")
    done = deepdream("dream", "my cat.jpg", *QUICK)
    assert done.stdout.endswith(" replay 'my cat.squeezenet.png' --input 'my cat.jpg'\n"), done.stdout


def test_no_name_of_a_file_runs_anything(deepdream, tmp_path):
    name = "photo $(touch x);touch y;`touch z`.jpg"
    (tmp_path / "cat.jpg").rename(tmp_path / name)
    said = [deepdream(*line, own_process=True) for line in (
        ("dream", name, *QUICK), ("replay", name), ("dream", f"no {name}"),
        ("dream", name, "--recipe", name))]
    lines = "".join(done.stdout + done.stderr for done in said).splitlines()
    before = sorted(os.listdir(tmp_path))
    for line in lines:
        pasted = [line, *line.split("Make it again:  ")[1:]]
        run = dict(shell=True, cwd=tmp_path, capture_output=True, text=True)
        done = [subprocess.run(one, **run) for one in pasted]
        if len(done) == 2: assert "the same in every pixel" in done[1].stdout, line
    assert sorted(os.listdir(tmp_path)) == before and len(lines) == 5


def test_json_for_scripts(deepdream, tmp_path):
    done = deepdream("fast", "cat.jpg", "--max-side", 64, "--json")
    found = json.loads(done.stdout)
    assert (found["path"], found["width"], found["photo_size"]) == ("cat.heads.png", 64, [120, 80])
    assert found["recipe"]["filter"] == "heads" and found["seconds"] > 0
    assert "shrunk from 120x80; --max-side 0 keeps it" in done.stderr
    rows = json.loads(deepdream("recipe", "--list", "--json").stdout)["rows"]
    assert [row["recipe"] for row in rows] == [*recipes]
    wrong = deepdream("fast", "dog.jpg", "--json")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "no file dog.jpg" in wrong.stderr


@pytest.mark.parametrize("line, found", [
    ("deepdream dream cat.jpg --recipe hea", "heads"), ("deepdream fast cat.jpg --filter sw", "swirls"),
    ("deepdream dream cat.jpg --layer block12", "block12_add"),
    ("deepdream dream cat.jpg --pooling a", "average"),
])
def test_tab_completes_names(line, found):
    asked = dict(_DEEPDREAM_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    done = subprocess.run(COMMAND, env={**os.environ, **asked}, capture_output=True, text=True)
    assert done.stdout.split() == [found], done.stderr


def test_whatever_makes_a_picture_leaves_a_record_that_replays(deepdream, tmp_path):
    for mixture, name in (("swirls", "cat.swirls.png"), ("heads=0.5,swirls=0.5", "cat.heads+swirls.png")):
        assert deepdream("fast", "cat.jpg", "--filter", mixture, "--strength", 0.8).returncode == 0
        printed = json.loads(deepdream("recipe", name).stdout)
        assert (printed["kind"], printed["filter"], printed["strength"]) == ("filter", mixture, 0.8)
        assert "the same in every pixel" in deepdream("replay", name, "--input", "cat.jpg").stdout
    drawn = deepdream("gan", "--seed", 7, "--size", 64)
    assert drawn.returncode == 0 and "replay gan.seed7.png" in drawn.stdout, drawn.stderr
    assert "the same in every pixel" in deepdream("replay", "gan.seed7.png").stdout


def test_notes_of_older_versions_are_read(deepdream, tmp_path):
    note = json.dumps({"deepdream_filter": "swirls", "strength": 0.9})
    save_image(load_filter("swirls")(load_image(tmp_path / "cat.jpg"), 0.9), tmp_path / "old.png", note=note)
    printed = json.loads(deepdream("recipe", "old.png").stdout)
    assert (printed["kind"], printed["filter"], printed["strength"]) == ("filter", "swirls", 0.9)
    assert "the same in every pixel" in deepdream("replay", "old.png", "--input", "cat.jpg").stdout


def test_a_style_of_before_begins_with_the_photo(deepdream, tmp_path):
    save_image(load_image(sample("coffee"), max_side=90), tmp_path / "cup.png")
    done = deepdream("style", "cat.jpg", "cup.png", "--steps", 2, "--scales", 1, "--begin-with", "photo",
                     "--out", "new.png")
    assert done.returncode == 0, done.stderr
    image, note = load_image(tmp_path / "new.png"), json.loads(read_note(tmp_path / "new.png"))
    assert note["recipe"].pop("begin_with") == "photo"
    save_image(image, tmp_path / "old.png", note=json.dumps(note))
    again = deepdream("replay", "old.png", "--input", "cat.jpg", "--style", "cup.png")
    assert "the same in every pixel" in again.stdout, again.stderr


def test_style_and_its_replay(deepdream, tmp_path):
    save_image(load_image(sample("hubble"), max_side=90), tmp_path / "stars.jpg")
    more = ("--steps", 3, "--scales", 2, "--keep-colors", "luminance")
    done = deepdream("style", "cat.jpg", "stars.jpg", *more)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert load_image(tmp_path / "cat.stars.png").shape == (80, 120, 3)
    again = deepdream("replay", "cat.stars.png", "--input", "cat.jpg", "--style", "stars.jpg")
    assert "the same in every pixel" in again.stdout


def test_guides_and_their_replay(deepdream, tmp_path):
    cat = load_image(tmp_path / "cat.jpg")
    (tmp_path / "cups").mkdir()
    for place in range(2):
        save_image(load_image(sample("coffee"), max_side=90 + 10 * place), tmp_path / "cups" / f"{place}.png")
    save_image(load_image(sample("hubble"), max_side=70), tmp_path / "stars.jpg")
    left = np.zeros_like(cat)
    left[:, :60] = 1
    save_image(left, tmp_path / "left.png")
    guides = ("--guide", "cups", "--guide", "stars.jpg", "--guide-mask", "all", "--guide-mask", "left.png")
    more = ("--guide-weight", 1, "--guide-weight", 2.5, "--guide-layer", "fire4", "--match", "transport",
            "--guide-colors", 0.5)
    done = deepdream("dream", "cat.jpg", *QUICK, *guides, *more)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    record = read_record(tmp_path / "cat.cups+stars.png")
    second = '2.5 * masked(transport("fire4", "guide2"), "mask2")'
    assert record.recipe.objective == f'transport("fire4") + {second}'
    assert list(record.pictures) == ["guide", "guide2", "mask2"] and record.recipe.guide_colors == 0.5
    again = done.stdout.split("Make it again:  ")[1].split()
    again = again[again.index("replay"):]
    assert again[4:] == list(guides) and "the same in every pixel" in deepdream(*again).stdout
    wrong = ("--guide", "cups", "--guide", "cat.jpg", *guides[4:])
    replay = ("replay", "cat.cups+stars.png", "--input", "cat.jpg")
    assert "guide2: not what" in deepdream(*replay, *wrong).stderr
    others = ("--guide", "cat.jpg", "--guide", "cups", "--guide-mask", "all", "--guide-mask", "cat.jpg")
    other = deepdream("dream", "left.png", "--recipe", "cat.cups+stars.png", *others, "--out", "other.png")
    assert other.returncode == 0 and read_record(tmp_path / "other.png").recipe == record.recipe, other.stderr
    more = ("--layer", "fire6", "--guide", "stars.jpg", "--out", "both.png")
    both = deepdream("dream", "cat.jpg", *QUICK, *more)
    assert both.returncode == 0, both.stderr
    assert read_record(tmp_path / "both.png").recipe.objective == 'layer("fire6") + contrast("fire5")'


@pytest.mark.parametrize("name", [name for name, one in recipes.items() if one.network in EMBEDDED])
def test_a_recipe_follows_the_size_of_the_picture(name):
    one = recipes[name]
    for height, width in ((3024, 4032), (427, 640)):  # begins where the forms fill the picture
        assert 120 <= min(octave_sizes(height, width, one.octaves, one.octave_scale)[0]) <= 210
    assert one.fitted(np.zeros((75, 100, 3), "float32")).shape == (480, 640, 3)


def test_a_sheet_of_channels_and_a_dream_in_waves(deepdream, tmp_path):
    more = ("--channel", 3, "--channel", 5, "--side", 48, "--steps", 2, "--out", "sheet.png")
    done = deepdream("visualize", "squeezenet", "fire3", *more)
    assert done.returncode == 0 and "sheet.png  100x48 pixels" in done.stdout, done.stderr
    assert read_record(tmp_path / "sheet.png").recipe.wishes == ('channel("fire3", 3)', 'channel("fire3", 5)')
    assert "the same in every pixel" in deepdream("replay", "sheet.png").stdout
    shaken = ("--transformations", "shift(4), rotate(5)", "--parameterization", "fourier", "--octaves", 1)
    assert deepdream("dream", "cat.jpg", *QUICK, *shaken, "--out", "shaken.png").returncode == 0
    assert "the same in every pixel" in deepdream("replay", "shaken.png", "--input", "cat.jpg").stdout


def test_layers_and_named_recipes(deepdream):
    assert "block10_add" in deepdream("layers").stdout
    assert "fire9_expand3" in deepdream("layers", "squeezenet", "--all").stdout
    assert "swirls" in deepdream("recipe", "--list").stdout


@pytest.mark.parametrize("arguments, said", [
    (["dream", "dog.jpg"], "there is no file dog.jpg"),
    (["dream", "text.jpg"], "text.jpg is not a picture"),
    (["dream", "."], "is a folder"),
    (["dream", "cat.jpg", "--out", "cat.tiff"], ".png, .jpg, .jpeg, .webp"),
    (["dream", "cat.jpg", "--out", "nowhere/cat.png"], "there is no folder nowhere"),
    (["dream", "cat.jpg", "--out", "cat.jpg"], "cat.jpg is what this command reads"),
    (["dream", "cat.jpg", "--layer", "block55"], "block5"),
    (["dream", "cat.jpg", "--objective", "layer('fire5'"], "cannot read the objective"),
    (["dream", "cat.jpg", "--objective", "layer('fire5')", "--layer", "fire5"], "not both"),
    (["dream", "cat.jpg", "--network", "vgg_19"], "vgg19"),
    (["dream", "cat.jpg", "--recipe", "furr"], "fur"),
    (["dream", "cat.jpg", "--recipe", "cat.jpg"], "carries no recipe"),
    (["dream", "cat.jpg", "--steps", "-1"], "steps is a whole number from 0"),
    (["dream", "cat.jpg", "--steps", "many"], "'--steps': a number, or several such as 30,20,10, not 'many'"),
    (["dream", "cat.jpg", "--weights", "none.h5", "--network", "vgg19"], "no weights file none.h5"),
    (["recipe"], "--list"),
    (["recipe", "cat.jpg"], "carries no recipe"),
    (["draem", "cat.jpg"], "draem"),
    (["replay", "cat.jpg"], "carries no recipe"),
    (["fast", "cat.jpg", "--strength", "4"], "strength is a number from 0 to 3"),
    (["fast", "cat.jpg", "--filter", "heads=much"], "a mixture is written heads=0.5,swirls=0.5"),
    (["gan", "--count", "0"], "count is a whole number from 1 to 400"),
    (["style", "cat.jpg", "none.jpg"], "there is no file none.jpg"),
    (["style", "cat.jpg", "cat.jpg", "--steps", "0"], "steps is a whole number from 1"),
    (["style", "cat.jpg", "cat.jpg", "--style-weight", "-1"], "the style weight is a number from 0 on"),
    (["style", "cat.jpg", "cat.jpg", "--layers", "block4_add,block44"], "block4"),
    (["style", "cat.jpg", "cat.jpg", "--style-weights", "1,2"], "2 numbers for 1 style"),
    (["style", "flat.png", "cat.jpg", "--network", "squeezenet"], "too small"),
    (["style", "cat.jpg", "cat.jpg", "--network", "mobilenet"], "name the style layers"),
    (["dream", "cat.jpg", "--recipe", "fur", "--max-side", "20"], "too small"),
    (["dream", "cat.jpg", "--guide", "none.jpg"], "there is no file none.jpg"),
    (["dream", "cat.jpg", "--guide", "empty"], "there is no picture in the folder empty"),
    (["dream", "cat.jpg", "--guide", "cat.jpg", "--match", "dots"], "there is no match 'dots'"),
    (["dream", "cat.jpg", "--guide", "cat.jpg", "--guide-weight", "1", "--guide-weight", "2"],
     "2 weights for 1 guide"),
    (["dream", "cat.jpg", "--recipe", "fur", "--guide", "flat.png"],
     "'guide': a picture of 120x1 pixels is too small"),
    (["dream", "cat.jpg", "--match", "dot"], "go with a --guide"),
    (["dream", "cat.jpg", "--tile", "9000"], "tile is a whole number from 0 to 8,192"),
    (["zoom", "dog.jpg"], "there is no file dog.jpg"),
    (["zoom", "cat.jpg", "--out", "cat.avi"], "a film ends in .mp4, .gif or .webp"),
    (["zoom", "cat.jpg", "--out", "nowhere/cat.mp4"], "there is no folder nowhere"),
    (["zoom", "cat.jpg", "--frames", "0"], "frames is a whole number from 1"),
    (["zoom", "cat.jpg", "--factor", "5"], "factor is a number from 1.0001 to 2"),
    (["zoom", "cat.jpg", "--fps", "0"], "fps is a number from 0.1 to 120"),
    (["zoom", "flat.png", "--recipe", "fur"], "too small"),
    (["dream", "cat.jpg", *WAVES, "--octaves", "3"], "takes octaves 1 and blend 0, not 3 and 0"),
    (["dream", "cat.jpg", *WAVES, "--octaves", "1", "--tile", "64"], "not in tiles"),
    (["dream", "cat.jpg", "--transformations", "shif(3)"], "there is no transformation 'shif'"),
    (["dream", "cat.jpg", "--transformations", "shift(-1)"], "pixels of shift is a whole number from 0"),
    (["dream", "cat.jpg", "--min-side", "0", "--transformations", "crop(80)"], "leaves nothing of"),
    (["dream", "cat.jpg", "--network", "lite0", "--weights", "none.h5"], "lite0 has its weights already"),
    (["dream", "cat.jpg", "--octaves", "1", "--octave-scale", "1.2"], "--octave-scale does nothing with one"),
    (["dream", "cat.jpg", "--octaves", "1", "--blend", "0.5"], "--blend does nothing with one octave"),
    (["dream", "cat.jpg", "--smoothing", "0", "--smoothing-growth", "2"], "does nothing without --smoothing"),
    (["dream", "cat.jpg", "--guide-colors", "0.3"], "--guide-colors does nothing without a guide"),
    (["dream", "cat.jpg", "--guide-layer", "block8"], "go with a --guide"),
    (["dream", "cat.jpg", "--pooling", "average"], "--pooling does nothing, as lite0 has no max pools"),
    (["dream", "cat.jpg", "--jitter", "0", "--seed", "3"], "--seed needs --jitter or --transformations"),
    (["dream", "cat.jpg", "--min-side", "2000"], "--min-side needs a --max-side of as much, not 1024"),
    (["dream", "cat.jpg", "--effort", "quick", "--steps", "3"], "give --effort or --steps, not both"),
    (["dream", "cat.jpg", "--warm-start", "heads", "--effort", "quick"], "--effort does not go with"),
    (["dream", "cat.jpg", "--warm-start", "heads", "--octaves", "3"], "--octaves does not go with"),
    (["dream", "cat.jpg", "--preprocessing", "bytes"], "is for own models"),
    (["dream", "cat.jpg", "--network", "cat.h5"], "save(\"cat.keras\")"),
    (["zoom", "cat.jpg", "--blend", "0.5", "--octaves", "1"], "--blend does nothing with one octave"),
    (["style", "cat.jpg", "cat.jpg", "--objective", "style('stem')", "--tv-weight", "3"], "not both"),
    (["fast", "cat.jpg", "--list"], "--list stands alone"),
    (["fast", "cat.jpg", "--sheet", "all.png", "--strength", "2"], "shows all filters in one way"),
    (["gan", "--steps", "3"], "--steps are those of the climb"),
    (["recipe", "cat.jpg", "--list"], "--list stands alone"),
    (["recipe", "cat.jpg", "--force"], "--force goes with --sheet"),
    (["replay", "cat.jpg", "--force"], "--force goes with --out"),
    (["classify", ".", "--count", "2"], "--count is for one picture"),
    (["visualize", "squeezenet", "fire22"], "fire2"),
    (["visualize", "squeezenet", "fire2", "--channel", "128"], "channels 0 to 127, not 128"),
    (["visualize", "squeezenet", "fire2", "--concept", "nobody"], "there is no concept 'nobody'"),
    (["visualize", "squeezenet", "logits"], "logits has no places"),
    (["visualize", "squeezenet", "fire2", "--out", "cat.jpg"], "--force"),
    (["page", "empty"], "cannot write empty: it is a folder"),
])
def test_one_line_for_each_error(deepdream, tmp_path, arguments, said):
    (tmp_path / "text.jpg").write_text("no picture at all")
    save_image(load_image(tmp_path / "cat.jpg")[:1], tmp_path / "flat.png")
    (tmp_path / "empty").mkdir()
    before = {path.name: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    done = deepdream(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("deepdream: ") and done.stderr.count("\n") == 1 and said in done.stderr
    after = {path.name: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    assert after == before  # nothing written, nothing lost


def test_help_and_import_leave_tensorflow_alone():
    assert "Example" in subprocess.run([*COMMAND, "dream", "--help"], capture_output=True, text=True).stdout
    script = """
import sys
from deepdream_nb.apps.cli import load_app
app = load_app()
for line in (["recipe", "--list"], ["fast", "--list"]): app(line, standalone_mode=False)
late = ("tensorflow", "keras", "matplotlib", "ipywidgets", "imageio")
print("late:", [name for name in late if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    for name in (*recipes, *filter_names()): assert f"\n{name} " in done.stdout
    assert done.stdout.endswith("late: []\n") and done.stderr == ""


def _stopped(folder, arguments, bar, signum=signal.SIGINT):
    "Run the command in a terminal, with a signal when its bar matches `bar`: exit status and screen."
    keyboard, screen = pty.openpty()
    size = struct.pack("HHHH", 24, 110, 0, 0)  # a terminal without a size gets no bar
    fcntl.ioctl(screen, termios.TIOCSWINSZ, size)
    line, environment = [*COMMAND, *map(str, arguments)], {**os.environ, "TQDM_DISABLE": ""}
    process = subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL, stderr=screen, env=environment)
    os.close(screen)
    seen, sent = b"", False
    try:
        while select.select([keyboard], [], [], 90)[0]:
            try: found = os.read(keyboard, 4096)
            except OSError: found = b""  # Linux's way of saying that the other end is closed
            if not found: break
            seen += found
            if not sent and re.search(bar, seen):
                process.send_signal(signum)
                sent = True
        process.wait()
    finally:
        process.kill()
        os.close(keyboard)
    assert sent, seen
    return process.returncode, seen.decode()


LONG = ("dream", "cat.jpg", "--network", "squeezenet", "--octaves", 4, "--min-side", 0, "--steps", 100)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    save_image(load_image(sample("cat"), max_side=120), folder / "cat.jpg")
    subprocess.run([*COMMAND, *map(str, LONG)], cwd=folder, check=True, capture_output=True)
    return (folder / "cat.squeezenet.png").read_bytes()


def _ends_the_same(folder, line, whole):
    resumed = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert (folder / "cat.squeezenet.png").read_bytes() == whole
    assert not [name for name in os.listdir(folder) if name.endswith((".part", ".lock"))]


@pytest.mark.parametrize("signum, status, said", [
    (signal.SIGINT, 130, "deepdream: interrupted; to go on:"),
    (signal.SIGTERM, 143, "deepdream: terminated; to go on:"),
])
def test_stopped_dream_is_resumed_to_the_same_bytes(deepdream, tmp_path, uninterrupted, signum, status, said):
    past_the_first_octave = rb"\D(?:1[1-9]\d|[23]\d\d)/400"
    found, screen = _stopped(tmp_path, LONG, past_the_first_octave, signum)
    last, _, way_on = screen.splitlines()[-1].strip().partition("  ")
    assert (found, last) == (status, said) and "Traceback" not in screen
    assert sorted(os.listdir(tmp_path)) == ["cat.jpg", "cat.squeezenet.png.part"]
    assert read_checkpoint(tmp_path / "cat.squeezenet.png.part")[1][0] in (2, 3, 4)
    other = deepdream("dream", "cat.jpg", "--resume", "--recipe", "fur", "--out", "cat.squeezenet.png")
    assert "another recipe (" in other.stderr
    if signum == signal.SIGTERM:  # what is begun anew takes another name
        anew = deepdream("dream", "cat.jpg", *QUICK)
        assert "cat.squeezenet.2.png  120x80" in anew.stdout
        assert anew.stderr == "an unfinished dream is in cat.squeezenet.png.part; --resume goes on with it\n"
    _ends_the_same(tmp_path, way_on, uninterrupted)


def test_killed_dream_is_resumed_to_the_same_bytes(deepdream, tmp_path, uninterrupted):
    script = """
from deepdream_nb import records
from deepdream_nb.apps import cli
records.Checkpoint.__init__.__defaults__ = (0.3,)  # every 0.3 s, not 20
cli.main()
"""
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, LONG)], cwd=tmp_path,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "cat.squeezenet.png.part").is_file(): time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (tmp_path / ".cat.squeezenet.png.part.0123abcd").write_bytes(b"PK")  # as if killed while writing
    _ends_the_same(tmp_path, shlex.join(map(str, [*COMMAND, *LONG, "--resume"])), uninterrupted)


def test_zoom_goes_on_where_it_was_stopped(deepdream, tmp_path):
    film = ("zoom", "cat.jpg", "--recipe", "terriers", "--min-side", 0, "--frames", 20, "--out", "a.gif")
    status, screen = _stopped(tmp_path, film, rb"frames: [^\r]*\D(?:[3-9]|1\d)/20")
    said = "deepdream: interrupted; the same command goes on with the frames in a.frames"
    assert status == 130 and screen.splitlines()[-1].strip() == said
    assert not (tmp_path / "a.gif").exists() and 3 <= len(list((tmp_path / "a.frames").glob("*.png"))) < 20
    (tmp_path / "a.frames" / ".00003.png.0123abcd").write_bytes(b"PNG")  # as if killed while writing
    done = deepdream(*film)
    assert done.returncode == 0 and "20 frames" in done.stdout and "a.frames" in done.stdout, done.stderr
    assert deepdream(*film[:-1], "b.gif").returncode == 0
    names = [f"{number:05}.png" for number in range(20)]
    assert sorted(os.listdir(tmp_path / "a.frames")) == [*names, "factor.txt"]
    frames = [[(tmp_path / film / name).read_bytes() for name in names] for film in ("a.frames", "b.frames")]
    assert frames[0] == frames[1] and (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    other = deepdream(*film[:6], "--frames", 3, "--factor", 1.1, "--out", "a.gif", "--force")
    assert "another film" in other.stderr

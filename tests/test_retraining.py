"""Retraining as users meet it: killed and run again, from the terminal, with networks that cannot be used."""
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import needs_weights
from processes import Forked
from PIL import Image, ImageDraw

from deepdream_nb.images import load_image, save_image
from deepdream_nb.measures import drift, score
from deepdream_nb.networks import load_network
from deepdream_nb.recipes import read_record
from deepdream_nb.retraining import retrain
from deepdream_nb.workshop.weights import NetworkError

SETTINGS = dict(layer="fire5", frozen="fire3", epochs=4, size=64, patience=4, progress=False)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    "A folder of 2 classes, discs and crosses, on clouds of noise."
    folder, rng = tmp_path_factory.mktemp("drawn") / "shapes", np.random.default_rng(0)
    for name in ("cross", "disc"):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            picture = Image.fromarray(rng.integers(0, 256, (5, 5, 3), "uint8")).resize(
                (80, 80), Image.Resampling.BICUBIC)
            x, y, r = *rng.integers(25, 55, 2).tolist(), int(rng.integers(12, 22))
            colour, draw = tuple(rng.integers(0, 256, 3).tolist()), ImageDraw.Draw(picture)
            if name == "disc": draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
            else:
                for ends in ((x - r, y - r, x + r, y + r), (x - r, y + r, x + r, y - r)):
                    draw.line(ends, fill=colour, width=7)
            save_image(load_image(picture), folder / name / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def whole(shapes, tmp_path_factory):
    "A training that nobody disturbs."
    return retrain("squeezenet", shapes, tmp_path_factory.mktemp("whole") / "shapes.keras", **SETTINGS)


SCRIPT = """
import sys
from deepdream_nb.retraining import retrain
retrain("squeezenet", sys.argv[1], sys.argv[2], **eval(sys.argv[3]))
"""


def _killed(shapes, path, when):
    "Start a training and kill it as soon as `when()` holds."
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, shapes, path, repr(SETTINGS)],
                               stderr=subprocess.DEVNULL)
    try:
        start = time.monotonic()
        while not when():
            assert process.poll() is None and time.monotonic() - start < 300
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("stage, moment", [(0, "00.keras"), (2, "02.keras"), (2, "02.weights.h5")])
def test_killed_training_goes_on_as_if_nothing_had_been(shapes, whole, tmp_path, stage, moment):
    path = tmp_path / "shapes.keras"
    folder = path.with_suffix(".stages")
    _killed(shapes, path, (folder / moment).exists)
    log = folder / "log.json"
    made = len(json.loads(log.read_text())["history"]) if log.exists() else 0
    assert made in (stage, stage + 1) and not path.exists()
    (folder / ".log.json.0123abcd").write_text("{")  # as if killed while writing
    resumed = retrain("squeezenet", shapes, path, **SETTINGS)
    assert len(resumed.history) == len(whole.history) == 5
    for one, other in zip(resumed.history, whole.history): assert one == pytest.approx(other, abs=2e-2)
    ours, theirs = [load_network(str(training.stage(4))) for training in (resumed, whole)]
    assert drift(ours, theirs, whole.photos["test"].load(64), ["fire5"])[0].cka > 0.99
    stages = ["00.keras", "01.keras", "02.keras", "03.keras", "04.keras"]
    assert sorted(file.name for file in folder.iterdir()) == [*stages, "log.json"]


def test_what_it_learnt_and_what_stayed_frozen(whole):
    head, tuned = [load_network(str(whole.stage(number))) for number in (0, 4)]
    plain = load_network("squeezenet")
    test = whole.photos["test"]
    assert score(load_network(str(whole.path)), test, 64).accuracy > 0.7
    fire3, fire5 = drift(head, tuned, test.load(64), ["fire3", "fire5"])
    assert fire3.cka > 1 - 1e-6 and fire5.cka < 0.999
    assert drift(plain, head, test.load(64), ["fire5"])[0].cka > 1 - 1e-6
    assert tuned.classes == ("cross", "disc") and tuned["logits"].channels == 2


def test_retrain_and_dream_from_the_terminal(deepdream, tmp_path, shapes):
    options = ("retrain", shapes, "--out", "mine.keras", "--layer", "fire5", "--size", 64, "--epochs", 1)
    done = deepdream(*options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "mine.keras  2 classes" in done.stdout and "kept for the test" in done.stdout
    assert deepdream(*options).stderr == "deepdream: mine.keras is there already; --force overwrites it\n"
    dreamt = deepdream("dream", "cat.jpg", "--network", "mine.keras", "--objective", 'logit("disc")',
                       "--steps", 2, "--octaves", 2, "--min-side", 0)
    assert (dreamt.returncode, dreamt.stderr) == (0, ""), dreamt.stderr
    assert read_record(tmp_path / "cat.disc.png").recipe.network == "mine.keras"
    assert "the same in every pixel" in deepdream("replay", "cat.disc.png", "--input", "cat.jpg").stdout


def test_interrupted_from_the_terminal(shapes, tmp_path):
    process = Forked(tmp_path, "retrain", shapes, "--size", "64", "--epochs", "500")
    try:
        start = time.monotonic()
        while not (tmp_path / "retrained.stages" / "01.keras").exists():
            assert process.poll() is None and time.monotonic() - start < 300
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in error
    assert error.endswith("deepdream: interrupted; the same command goes on\n")


def test_code_in_a_network_file_is_refused(shapes, deepdream, tmp_path):
    import keras
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Lambda(lambda x: x)]
    unsafe = keras.Sequential([keras.Input((None, None, 3)), *layers])
    unsafe.save(tmp_path / "unsafe.keras")
    with pytest.raises(NetworkError, match="cannot load unsafe.keras"):
        retrain(str(tmp_path / "unsafe.keras"), shapes, tmp_path / "mine.keras")
    for line in (["retrain", shapes, "--network", "unsafe.keras"],
                 ["dream", "cat.jpg", "--network", "unsafe.keras"]):
        done = deepdream(*line)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert done.stderr.startswith("deepdream: cannot load unsafe.keras")
    assert sorted(os.listdir(tmp_path)) == ["cat.jpg", "unsafe.keras"]


@needs_weights
@pytest.mark.parametrize("name, layer, frozen",
                         [("vgg19", "block3_pool", "block2_pool"), ("inception_v3", "mixed1", "mixed0")])
def test_the_lesson_networks_by_the_same_call(shapes, tmp_path, name, layer, frozen):
    made = retrain(name, shapes, tmp_path / "mine.keras", layer=layer, frozen=frozen, epochs=1, size=96,
                   progress=False)
    found = score(load_network(str(made.stage(1))), made.photos["validation"], 96)
    assert found.accuracy == pytest.approx(made.history[1]["val_accuracy"], abs=1e-4)
    before, after = load_network(name), load_network(str(made.stage(1)))
    still, moved = drift(before, after, made.photos["test"].load(96), [frozen, layer])
    assert still.cka > 1 - 1e-6 and moved.cka < 1 - 1e-6

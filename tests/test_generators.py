"""Dream filters from the command line: one pass, folders, films, warm start, and a training that is stopped and goes on."""
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from conftest import command

from deepdream_nb.generators import filter_names, load_generator
from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.octaves import save_film
from deepdream_nb.recipes import Recipe, recipe_text

SHORT = Recipe(objective='layer("fire3")', octaves=2, steps=2)


def test_one_pass_and_its_errors(deepdream, tmp_path):
    done = deepdream("fast", "cat.jpg", "--filter", "swirls", "--strength", 0.8)
    assert done.returncode == 0 and "cat.fast.png  120x" in done.stdout
    photo = load_image(tmp_path / "cat.jpg")
    made, whole = load_image(tmp_path / "cat.fast.png"), load_generator("swirls")(photo)
    assert np.abs(made - load_generator("swirls")(photo, 0.8)).max() < 0.01 and np.abs(made - photo).mean() < 0.9 * np.abs(whole - photo).mean()
    for arguments, said in (
        (("cat.jpg",), "cat.fast.png is there already; --force overwrites it"),
        (("cat.jpg", "--filter", "swirl", "--force"), "there is no filter 'swirl'; the closest: swirls"),
        (("cat.jpg", "--filter", "swirls=x", "--force"), "a mixture is written"),
        (("cat.jpg", "--strength", "-1", "--force"), "strength is a number from 0"),
        (("nowhere.jpg",), "there is no file nowhere.jpg"),
        ((), "name a picture, a folder or a film"),
    ):
        wrong = deepdream("fast", *arguments)
        assert wrong.returncode == 2 and said in wrong.stderr and wrong.stderr.count("\n") == 1, wrong.stderr


def test_list_names_every_filter(deepdream):
    listed = deepdream("fast", "--list")
    assert listed.returncode == 0 and all(name in listed.stdout for name in filter_names()) and len(filter_names()) >= 2


def test_folder_goes_on_and_leaves_out_what_is_no_picture(deepdream, tmp_path):
    for name in ("a/one.png", "b/two.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        save_image(load_image(sample("coffee"), max_side=90), tmp_path / "photos" / name)
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"no picture")
    first = deepdream("fast", "photos", "--out", "dreams")
    assert first.returncode == 0 and "dreams: 2 dreams" in first.stdout and "left out: torn.png" in first.stderr
    (tmp_path / "dreams" / "a" / "one.png").unlink()
    assert "dreams: 1 dreams" in (again := deepdream("fast", "photos", "--out", "dreams")).stdout and "1 were there already" in again.stdout


def test_film_frame_by_frame(deepdream, tmp_path):
    import imageio.v3 as iio

    photo = load_image(sample("raccoon"), max_side=120)
    save_film([photo[:64, shift:shift + 80] for shift in range(0, 12, 2)], tmp_path / "pan.mp4", 6)
    done = deepdream("fast", "pan.mp4", "--filter", f"{filter_names()[0]}=0.5,swirls=0.5")
    assert done.returncode == 0, done.stderr
    assert iio.imread(tmp_path / "pan.fast.mp4").shape == (6, 64, 80, 3)


def test_warm_start_is_replayed(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", "--warm-start", "swirls", "--steps", 2)
    assert done.returncode == 0 and "--warm-start swirls" in done.stdout, done.stderr
    again = deepdream("replay", "cat.dream.png", "--input", "cat.jpg", "--warm-start", "swirls")
    assert "the same in every pixel" in again.stdout, again.stderr
    assert "was made with start; given: none" in deepdream("replay", "cat.dream.png", "--input", "cat.jpg").stderr


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    "A folder of photos, a recipe, and the filter of an undisturbed training."
    folder = tmp_path_factory.mktemp("training")
    (folder / "photos").mkdir()
    for number, name in enumerate(("cat", "coffee", "astronaut", "rocket", "raccoon", "hubble") * 2):
        save_image(load_image(sample(name), max_side=130 + number), folder / "photos" / f"{name}{number}.png")
    (folder / "short.json").write_text(recipe_text(SHORT))
    assert train(folder, "whole").wait(timeout=300) == 0
    return folder


def train(folder, name):
    arguments = ("train-filter", "short.json", "photos", "--out", f"{name}.filter", "--steps", "40", "--batch", "2")
    return subprocess.Popen([command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


@pytest.mark.parametrize("signum, status", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_stopped_training_ends_with_the_same_weights(album, signum, status):
    name = f"stopped{status}"
    part, running, end = album / f"{name}.filter.part", train(album, name), time.monotonic() + 200
    steps = 0
    while steps < 30:  # the checkpoint after 30 steps
        assert time.monotonic() < end and running.poll() is None, running.communicate()
        time.sleep(0.02)
        try:
            with np.load(part) as found: steps = int(str(found["state"]).split('"done": ')[1].split(",")[0])
        except (OSError, ValueError, KeyError, EOFError): pass
    os.kill(running.pid, signum)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == status and part.is_file() and not (album / f"{name}.filter").exists()
    if signum == signal.SIGINT: assert "interrupted; the same command goes on from" in said
    (album / f".{part.name}.0123abcd").write_bytes(b"PK")  # as if killed while writing
    again = train(album, name)
    assert again.wait(timeout=300) == 0, again.communicate()
    one, other = load_generator(album / "whole.filter"), load_generator(album / f"{name}.filter")
    assert one.card["history"] == other.card["history"] and one.card["gains"] == other.card["gains"] and not part.exists()
    assert all(np.array_equal(a, b) for a, b in zip(one.model.get_weights(), other.model.get_weights()))
    assert (album / f"{name}.progress.jpg").is_file() and not list(album.glob(f".{name}*"))


def test_other_settings_do_not_go_on_from_a_checkpoint(album, deepdream):
    (album / "other.filter.part").write_bytes(b"no checkpoint")
    wrong = subprocess.run([command, "train-filter", "short.json", "photos", "--out", "other.filter", "--steps", "2"], cwd=album, capture_output=True, text=True, timeout=200)
    assert wrong.returncode == 2 and "other.filter.part is no checkpoint that can be read; remove it to start anew" in wrong.stderr


@pytest.mark.parametrize("way", ["pairs", "both"])
def test_pairs_teach_at_every_octave(album, deepdream, way):
    assert SHORT.octaves > 1
    made = subprocess.run([command, "dataset", "photos", "pairs", "--recipe", "short.json", "--size", "96"], cwd=album, capture_output=True, text=True, timeout=200)
    assert made.returncode == 0, made.stderr
    done = subprocess.run([command, "train-filter", "short.json", "pairs", "--out", f"{way}.filter", "--way", way, "--steps", "8", "--batch", "2"], cwd=album, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and (album / f"{way}.filter").is_file(), done.stderr

"""Dream filters from the command line: one pass, folders, films, a training that is stopped and goes on."""
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, replace

import imageio_ffmpeg
import numpy as np
import pytest
from processes import Forked, finished

from deepdream_nb.ascent import CURES, cure
from deepdream_nb.filter_losses import dream_distances, patch_discriminator, watcher_for
from deepdream_nb.filter_training import FilterSettings, teacher_dreams, train_filter, training_photos
from deepdream_nb.filters import (
    Filter, FilterError, FilterRecipe, Mixture, filter_names, generate, load_filter)
from deepdream_nb.films import ZoomSettings, dream_film
from deepdream_nb.images import load_image, sample, save_image, to_picture
from deepdream_nb.networks import load_network, tensorflow
from deepdream_nb.recipes import Recipe, replay
from deepdream_nb.records import RecipeError, read_record, recipe_text
from deepdream_nb.report_cards import ReportCard
from deepdream_nb.workshop.film_files import is_film, open_film, save_film
from deepdream_nb.workshop.files import LeftOut

SHORT = Recipe("squeezenet", 'layer("fire3")', octaves=2, steps=2)
SMALL = ("--steps", "40", "--batch", "2", "--side", "64", "--size", "96")


def test_one_pass_and_its_errors(deepdream, tmp_path):
    done = deepdream("fast", "cat.jpg", "--filter", "swirls", "--strength", 0.8)
    assert done.returncode == 0 and "cat.swirls.png  120x" in done.stdout
    photo, swirls = load_image(tmp_path / "cat.jpg"), load_filter("swirls")
    made, whole = load_image(tmp_path / "cat.swirls.png"), swirls(photo)
    assert np.abs(made - swirls(photo, 0.8)).max() < 0.01
    assert np.abs(made - photo).mean() < 0.9 * np.abs(whole - photo).mean()
    assert read_record(tmp_path / "cat.swirls.png").recipe == FilterRecipe("swirls", 0.8)
    assert "the same in every pixel" in deepdream("replay", "cat.swirls.png", "--input", "cat.jpg").stdout
    for arguments, said in (
        (("cat.jpg", "--out", "cat.swirls.png"), "cat.swirls.png is there already; --force overwrites it"),
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
    assert listed.returncode == 0 and len(filter_names()) >= 2
    for name in filter_names(): assert name in listed.stdout


def test_folder_goes_on_and_leaves_out_what_is_no_picture(deepdream, tmp_path):
    for name in ("a/one.png", "b/two.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        save_image(load_image(sample("coffee"), max_side=90), tmp_path / "photos" / name)
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"no picture")
    first = deepdream("fast", "photos", "--max-side", 80)
    assert first.returncode == 0 and "photos.heads: 2 dreams" in first.stdout, first.stderr
    assert "2 shrunk to 80 pixels; --max-side 0 keeps their sizes" in first.stdout
    assert "left out: torn.png" in first.stderr
    (tmp_path / "photos.heads" / "a" / "one.png").unlink()
    again = deepdream("fast", "photos", "--max-side", 80).stdout
    assert "photos.heads: 1 dreams" in again and "1 were there already" in again
    other = ("fast", "photos", "--max-side", 80, "--strength", 0.5)
    assert "photos.heads.2: 2 dreams" in deepdream(*other).stdout  # not mixed with those of full strength
    assert "of another recipe (strength)" in deepdream(*other, "--out", "photos.heads").stderr


def test_film_frame_by_frame(deepdream, tmp_path):
    import imageio.v3 as iio

    photo = load_image(sample("raccoon"), max_side=120)
    save_film([photo[:64, shift:shift + 80] for shift in range(0, 12, 2)], tmp_path / "pan.mp4", 6)
    done = deepdream("fast", "pan.mp4", "--filter", f"{filter_names()[0]}=0.5,swirls=0.5")
    assert done.returncode == 0, done.stderr
    assert iio.imread(tmp_path / f"pan.{filter_names()[0]}+swirls.mp4").shape == (6, 64, 80, 3)


def unchanged(image, strength): return image


def about(path):
    "How many frames a film has, its first one's size, and its time and sound."
    with open_film(path) as (frames, count, known): return count, np.shape(next(iter(frames)))[:2], known


STILLS = [np.full((24, 32, 3), shade, "float32") for shade in (0.1, 0.5, 0.9)]


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_a_picture_that_moves_is_a_film_and_keeps_its_times(tmp_path, ending):
    source, times = tmp_path / f"a{ending}", [100, 500, 110]
    first, *more = map(to_picture, STILLS)
    first.save(source, save_all=True, append_images=more, duration=times)
    assert is_film(source) and not is_film(save_image(STILLS[0], tmp_path / "still.png"))
    for target in (".gif", ".webp"):
        made = dream_film(unchanged, source, tmp_path / f"b{target}", progress=False)
        assert about(made) == (3, (24, 32), dict(durations=times))
    made = dream_film(unchanged, source, tmp_path / "b.mp4", progress=False)
    count, _, known = about(made)
    assert count / known["fps"] == pytest.approx(0.71, abs=0.02) and "sound" not in known


def ffmpeg(*arguments):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, arguments)], check=True)


def test_a_film_keeps_its_rate_its_sound_and_its_shape(tmp_path):
    save_film(STILLS * 4, tmp_path / "fast.mp4", 240)
    made = dream_film(unchanged, tmp_path / "fast.mp4", tmp_path / "fast2.mp4", progress=False)
    assert about(made) == (12, (24, 32), dict(fps=240.0))
    ffmpeg("-i", save_film(STILLS * 4, tmp_path / "a.mp4", 10), "-f", "lavfi", "-i", "sine=duration=1.2",
           "-vf", "setsar=2/1", "-shortest", tmp_path / "wide.mp4")
    made = dream_film(unchanged, tmp_path / "wide.mp4", tmp_path / "wide2.mp4", progress=False)
    assert about(made) == (12, (24, 64), dict(fps=10.0, sound=made))
    with pytest.warns(LeftOut, match="the sound of wide.mp4, since .gif holds none"):
        dream_film(unchanged, tmp_path / "wide.mp4", tmp_path / "wide.gif", progress=False)


def test_settings_of_a_film_are_checked():
    for wrong in (dict(frames=0), dict(frames=2.5), dict(fps=0), dict(factor=1), dict(factor=2.1)):
        with pytest.raises(RecipeError, match=f"{next(iter(wrong))} is a "): ZoomSettings(**wrong)


def test_warm_start_is_replayed(deepdream, tmp_path):
    done = deepdream("dream", "cat.jpg", "--warm-start", "swirls", "--steps", 2)
    assert done.returncode == 0 and "--warm-start swirls" in done.stdout, done.stderr
    again = deepdream("replay", "cat.swirls.png", "--input", "cat.jpg", "--warm-start", "swirls")
    assert "the same in every pixel" in again.stdout, again.stderr
    other = deepdream("replay", "cat.swirls.png", "--input", "cat.jpg")
    assert "was made with start; given: none" in other.stderr


@pytest.mark.parametrize("name", ["swirls", "0.5*heads+0.25*swirls"])
def test_pictures_of_older_versions_are_replayed(tmp_path, name):
    maker = load_filter(name if name == "swirls" else {"heads": 0.5, "swirls": 0.25})
    assert maker.name == name and isinstance(maker, (Filter, Mixture))
    photo = load_image(sample("cat"), max_side=200)
    note = json.dumps({"deepdream_filter": name, "strength": 0.8})
    save_image(maker(photo, 0.8), tmp_path / "old.png", note=note)
    assert replay(tmp_path / "old.png", photo, progress=False).identical


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    "A folder of photos, a recipe, and the filter of an undisturbed training."
    folder = tmp_path_factory.mktemp("training")
    (folder / "photos").mkdir()
    for number, name in enumerate(("cat", "coffee", "astronaut", "rocket", "raccoon", "hubble") * 2):
        image = load_image(sample(name), max_side=130 + number)
        save_image(image, folder / "photos" / f"{name}{number}.png")
    (folder / "short.json").write_text(recipe_text(SHORT))
    assert train(folder, "whole").wait() == 0
    return folder


def train(folder, name):
    "A training in a process of its own."
    arguments = ("short.json", "photos", "--out", f"{name}.filter", *SMALL)
    return Forked(folder, "train-filter", *arguments)


def kept_steps(folder):
    "The steps after which a training was last kept."
    try: return json.loads((folder / "log.json").read_text())["history"][-1]["done"]
    except (OSError, ValueError, IndexError): return -1


def stopped(folder, name, signum, condition):
    "The exit status and what a training says that is stopped as soon as a condition holds."
    running = train(folder, name)
    while not condition():
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    os.kill(running.pid, signum)
    said = running.communicate()[1]
    return running.returncode, said


def test_stopped_training_ends_with_the_same_weights(album):
    kept = album / "stopped.steps"
    status, said = stopped(album, "stopped", signal.SIGINT, lambda: any(kept.glob("*.dreams.npz")))
    assert status == 130 and "interrupted; the same command goes on from" in said
    status, said = stopped(album, "stopped", signal.SIGKILL, lambda: kept_steps(kept) >= 30)
    assert status == -9 and kept.is_dir() and not (album / "stopped.filter").exists()
    (kept / ".log.json.0123abcd").write_bytes(b"{")  # as if killed while writing
    again = train(album, "stopped")
    assert again.wait() == 0, again.communicate()
    one, other = load_filter(album / "whole.filter"), load_filter(album / "stopped.filter")
    assert one.card["history"] == other.card["history"] and one.fingerprint == other.fingerprint
    sheets = [(album / f"{stem}.progress.jpg").read_bytes() for stem in ("whole", "stopped")]
    assert sheets[0] == sheets[1] and not kept.exists() and not list(album.glob(".stopped*"))


def test_other_settings_do_not_go_on_from_a_checkpoint(album):
    (album / "other.steps").mkdir()
    (album / "other.steps" / "log.json").write_text("no log")
    again = ("train-filter", "short.json", "photos", "--out", "other.filter", *SMALL[4:], "--steps", "2")
    wrong = finished(album, *again)
    said = "the log in other.steps cannot be read; remove the folder to start anew"
    assert wrong.returncode == 2 and said in wrong.stderr
    log = {"settings": {**asdict(FilterSettings(steps=2)), "batch": 5}, "history": [{"done": 1}]}
    (album / "other.steps" / "log.json").write_text(json.dumps(log))
    wrong = finished(album, *again)
    assert wrong.returncode == 2 and "other.steps is of a training with other" in wrong.stderr


def test_what_a_filter_cannot_learn(album):
    for recipe, given, said in (
        (replace(SHORT, objective='content("fire5")'), {}, "with guides"),
        (SHORT, dict(side=65), "side is a multiple of 32"),
        (SHORT, dict(size=96, side=128), "up to size, 96"),
        (SHORT, dict(size=900), "no photo of 540 pixels or more to learn from in"),
    ):
        with pytest.raises(FilterError, match=said):
            train_filter(recipe, album / "photos", album / "x.filter", **given)


def test_small_photos_are_left_out_and_dreams_are_kept(album, tmp_path):
    photos = training_photos(album / "photos", "train", 3, 96)
    assert photos.shape == (3, 96, 96, 3) and photos.dtype == np.uint8
    assert not len(training_photos(album / "photos", "train", 3, 300))
    network, recipe = load_network("squeezenet"), replace(SHORT, octaves=1)
    dreams = teacher_dreams(recipe, network, photos, tmp_path / "kept", progress=False)
    assert dreams.shape == photos.shape and 2 < np.abs(dreams.astype(int) - photos).mean() < 60
    @cure("turned")  # one of a reader's own acts on what a filter learns
    def turned(gradient, value): return -gradient
    own = replace(recipe, cures=("turned",))
    try: others = teacher_dreams(own, network, photos, tmp_path / "own", progress=False)
    finally: CURES.pop("turned")
    change, other = [(images - photos.astype(float)).ravel() for images in (dreams, others)]
    assert np.corrcoef(change, other)[0, 1] < -0.3
    np.savez(tmp_path / "kept" / "00000.dreams.npz", dreams=photos)  # what is kept is not made again
    assert np.array_equal(teacher_dreams(recipe, network, photos, tmp_path / "kept", progress=False), photos)


def test_distances_know_textures_from_forms():
    photo = load_image(sample("cat"), max_side=160)[None, :96, :128]
    constant, watcher = tensorflow().constant, watcher_for(load_network("squeezenet"))
    def apart(other):
        return [float(one) for one in dream_distances(watcher, constant(other), constant(photo))]
    same, moved, other = apart(photo), apart(np.roll(photo, 48, 2)), apart(1 - photo)
    assert same == [0, 0] and moved[0] < 0.3 * moved[1] and other[0] > moved[0]
    assert patch_discriminator().output_shape[1:] == (None, None, 1)


def test_passes_are_counted():
    swirls, photo = load_filter("swirls"), load_image(sample("cat"), max_side=200)
    one, two = swirls(photo, passes=1), swirls(photo, passes=2)
    assert np.array_equal(swirls(photo), one) and np.abs(two - one).mean() > 0.005  # 133 pixels high
    with pytest.raises(FilterError, match="passes is a whole number from 0 to 4"): swirls(photo, passes=5)
    asked = []
    def add(photo, now, colors):
        asked.append(photo.shape[1:3])
        return now + 0.1
    for passes, sizes in {0: [(200, 300), (400, 600)], 1: [(400, 600)],
                          4: [(200, 300)] + [(400, 600)] * 3}.items():
        made = generate(add, tensorflow().zeros([1, 400, 600, 3]), None, passes)
        assert asked == sizes and np.allclose(made, 0.1 * len(sizes)), passes
        asked.clear()


def test_report_cards_that_are_kept_are_read():
    for name in filter_names():
        kept = load_filter(name).card["report"]
        card = ReportCard.read(kept)
        assert card.F == kept["F"] and len(card.rows()) == len(card.goals)

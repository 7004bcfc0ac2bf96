"""GANs from the command line: drawing, and a training that is stopped and goes on."""
import json
import os
import signal
import time

import numpy as np
import pytest
from processes import Forked

from deepdream_nb.gan import draw, load_gan
from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.latents import GanRecipe
from deepdream_nb.recipes import replay
from deepdream_nb.records import read_record


def test_draws_the_same_for_a_seed_and_says_what_is_wrong(deepdream, tmp_path):
    for name in ("d.png", "e.png"):
        done = deepdream("gan", "--seed", 7, "--out", name, "--size", 64)
        assert done.returncode == 0 and f"{name}  1 of 64x64 pixels, seed 7" in done.stdout, done.stderr
    one, other = (tmp_path / "d.png").read_bytes(), (tmp_path / "e.png").read_bytes()
    assert one == other and read_record(tmp_path / "d.png").recipe == GanRecipe(seed=7, size=64)
    assert replay(tmp_path / "d.png").identical
    assert np.abs(load_image(tmp_path / "d.png") - draw(load_gan(), 1, 7)[0]).max() < 0.02
    for arguments, said in (
        ((), "d.png is there already; --force overwrites it"),
        (("--gan", "dream", "--force"), "there is no GAN 'dream'; the closest: dreams"),
        (("--objective", 'layer("fire10")', "--force"), "no layer 'fire10'"),
        (("--objective", "total_variation()", "--force"), "does not look at a layer"),
        (("--finish", "furr", "--force"), "furr"),
    ):
        wrong = deepdream("gan", "--seed", 7, "--out", "d.png", *arguments)
        assert wrong.returncode == 2 and said in wrong.stderr and wrong.stderr.count("\n") == 1, wrong.stderr
    assert (tmp_path / "d.png").read_bytes() == one


def test_climbs_and_finishes(deepdream, tmp_path):
    done = deepdream("gan", "--objective", 'layer("fire8")', "--steps", 3, "--count", 2, "--size", 96,
                     "--finish", "swirls")
    assert done.returncode == 0, done.stderr
    assert load_image(tmp_path / "gan.seed0.png").shape == (96, 192, 3)


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    "A folder of small pictures, and the GAN of an undisturbed training."
    folder = tmp_path_factory.mktemp("gan")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "coffee", "astronaut", "rocket") * 4):
        y, x = rng.integers(0, 40, 2)
        save_image(load_image(sample(name), max_side=140)[y:y + 64, x:x + 64],
                   folder / "pictures" / f"{number}.png")
    assert (first := train(folder, "whole")).wait() == 0, first.communicate()
    return folder


def train(folder, name):
    arguments = ("train-gan", "pictures", "--out", f"{name}.gan", "--epochs", "30", "--size", "32", "--width",
                 "4", "--critic", "own", "--batch", "8")
    return Forked(folder, *arguments)


@pytest.mark.parametrize("signum, status", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_stopped_training_ends_with_the_same_weights(album, signum, status):
    name = f"stopped{status}"
    log, running, end = album / f"{name}.epochs" / "log.json", train(album, name), time.monotonic() + 200
    while not log.exists() or len(json.loads(log.read_text())["history"]) < 3:
        assert time.monotonic() < end and running.poll() is None, running.communicate()
        time.sleep(0.02)
    os.kill(running.pid, signum)
    said = running.communicate()[1]
    assert running.returncode == status and not (album / f"{name}.gan").exists()
    if signum == signal.SIGINT: assert f"interrupted; the same command goes on from {name}.epochs" in said
    (log.parent / ".log.json.0123abcd").write_text("{")  # as if killed while writing
    assert (again := train(album, name)).wait() == 0, again.communicate()
    one, other = load_gan(album / "whole.gan"), load_gan(album / f"{name}.gan")
    losses = [[entry["critic"] for entry in gan.card["history"]] for gan in (one, other)]
    assert losses[0] == losses[1]
    weights = zip(one.generator.get_weights(), other.generator.get_weights())
    assert all(np.array_equal(ours, theirs) for ours, theirs in weights)
    assert [len(list(log.parent.glob(pattern))) for pattern in ("*.jpg", "*.h5", ".*")] == [30, 1, 0]

"""Stops at the wrong moment: signals to the command, and Ctrl-C within a function."""
import os
import random
import shlex
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import LONG_COMMANDS, SHORT, begin, half_written, pictures_in
from stops import STATUS, stopped, stopped_well

from deepdream_nb.apps.folder_runs import dream_folder
from deepdream_nb.datasets import pairs
from deepdream_nb.films import make_zoom
from deepdream_nb.images import load_image, sample
from deepdream_nb.recipes import Recipe, make_dream
from deepdream_nb.workshop.files import write_atomically
from deepdream_nb.workshop.stops import look, stoppable

photo = load_image(sample("cat"), max_side=48)

SEED = int(os.environ.get("DEEPDREAM_SEED") or time.time())  # of the moments; a failure names it


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", LONG_COMMANDS)
def test_any_long_command_stopped_at_any_moment(album, tmp_path, name):
    rng, (most, arguments) = random.Random(f"{SEED} {name}"), LONG_COMMANDS[name]
    running = []
    # Side by side, one on each processor.
    for signum, (status, word) in STATUS.items():
        shutil.copytree(album, tmp_path / word)
        running.append((begin(tmp_path / word, arguments), signum, rng.uniform(0, most), word))
    for process, signum, seconds, word in running:
        again = rng.choice([None, rng.uniform(0, 0.05)])
        code, error = stopped(process, signum, seconds, again)
        said = f"DEEPDREAM_SEED={SEED}: {word} after {seconds:.2f} s, exit status {code}: {error}"
        assert stopped_well(code, error, signum), said
        assert not half_written(tmp_path / word), said


SMALL = ("--recipe", "terriers", "--min-side", "0")


def test_ctrl_c_twice_keeps_the_checkpoint(album, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    process = begin(tmp_path / "album", ("dream", "cat.jpg", *SMALL, "--steps", 5000))
    while not [*(tmp_path / "album").glob("*.lock")]:  # it begins to dream
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    seconds = sum(psutil.Process(process.pid).cpu_times()[:2]) + random.Random(SEED).uniform(0, 3)
    code, error = stopped(process, signal.SIGINT, seconds, again=0.02)
    said = f"DEEPDREAM_SEED={SEED}: after {seconds:.2f} s, exit status {code}: {error}"
    way_on = shlex.join(["-m", "deepdream_nb", "dream", "cat.jpg", *SMALL, "--steps", "5000", "--resume"])
    assert code == 130 and error.startswith("deepdream: interrupted; to go on:  "), said
    assert error.endswith(f"python {way_on}\n") and error.count("\n") == 1, said
    assert not half_written(tmp_path), said


class Stop:
    "Interrupt this process at random moments, from within, as Ctrl-C does."
    def __init__(self, longest): self.rng, self.longest, self.count = random.Random(SEED), longest, 0
    def until_done(self, function):
        "Call a function again and again, each time with a moment to stop at, until it comes to its end."
        before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            while True:
                try:
                    signal.setitimer(signal.ITIMER_REAL, self.rng.uniform(0.001, self.longest))
                    try: return function()
                    finally: signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    self.count += 1
                    self.longest *= 1.02  # so that it ends on a slow machine, too
        finally: signal.signal(signal.SIGALRM, before)


def test_dream_stopped_again_and_again_ends_the_same(squeezenet, tmp_path):
    recipe, stop = Recipe("squeezenet", 'layer("fire3")', octaves=3, steps=8), Stop(0.1)
    whole = make_dream(photo, recipe, network=squeezenet).image
    number = 0
    while stop.count < 6:  # a fast machine comes to its end before some of the moments
        part, number = tmp_path / f"{number}.part", number + 1
        def made_on(): return make_dream(photo, recipe, network=squeezenet, checkpoint=part, resume=True)
        made = stop.until_done(made_on)
        assert np.array_equal(made.image, whole), f"DEEPDREAM_SEED={SEED}, {stop.count} stops"
    assert set(os.listdir(tmp_path)) <= {f"{k}.part" for k in range(number)}


def test_folder_stopped_again_and_again_ends_the_same(squeezenet, album, tmp_path):
    stop, how = Stop(0.2), dict(size=48, batch=2, limit=8, network=squeezenet, progress=False)
    dream_folder(album / "photos", tmp_path / "whole", SHORT, **how)
    stop.until_done(lambda: dream_folder(album / "photos", tmp_path / "stopped", SHORT, **how))
    said = f"DEEPDREAM_SEED={SEED}, {stop.count} stops"
    assert pictures_in(tmp_path / "stopped") == pictures_in(tmp_path / "whole"), said
    assert len(pairs(tmp_path / "stopped")) == 8, said
    assert not half_written(tmp_path)


# Of imageio's half-made writer.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_film_stopped_again_and_again_ends_the_same(squeezenet, tmp_path):
    stop = Stop(0.2)
    def film(name):
        return make_zoom(photo, SHORT, tmp_path / name, frames=8, network=squeezenet, progress=False)
    film("whole.gif")
    stop.until_done(lambda: film("stopped.gif"))
    said = f"DEEPDREAM_SEED={SEED}, {stop.count} stops"
    assert pictures_in(tmp_path / "stopped.frames") == pictures_in(tmp_path / "whole.frames"), said
    assert (tmp_path / "stopped.gif").read_bytes() == (tmp_path / "whole.gif").read_bytes(), said
    assert len(os.listdir(tmp_path)) == 4, said


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_a_stop_waits_for_the_end_of_a_step(signum, times):
    before, kept = signal.signal(signum, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt), stoppable():
            for number in range(3):
                for _ in range(times if number == 1 else 0): signal.raise_signal(signum)
                kept.append(number)
                look()
        assert kept == [0, 1] and signal.getsignal(signum) is signal.default_int_handler
        with pytest.raises(ValueError), stoppable(): raise ValueError
        assert signal.getsignal(signum) is signal.default_int_handler
        look()  # what came before is over
    finally: signal.signal(signum, before)


def test_a_stop_that_comes_while_another_is_handled_is_no_second_one():
    before, kept = signal.signal(signal.SIGINT, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt), stoppable():
            try:
                signal.raise_signal(signal.SIGINT)
                look()
            finally:
                signal.raise_signal(signal.SIGINT)
                kept.append("the checkpoint")
        assert kept
    finally: signal.signal(signal.SIGINT, before)


def test_a_file_that_is_being_written_is_finished_first(tmp_path, monkeypatch):
    before, replace = signal.signal(signal.SIGINT, signal.default_int_handler), os.replace

    def interrupted(*paths):
        signal.raise_signal(signal.SIGINT)
        replace(*paths)
    monkeypatch.setattr(os, "replace", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt): write_atomically(tmp_path / "a.txt", b"whole")
    finally: signal.signal(signal.SIGINT, before)
    assert os.listdir(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_bytes() == b"whole"

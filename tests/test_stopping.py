"""Stops at the wrong moment: signals to the command, and Ctrl-C within a function."""
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import LONG_COMMANDS, SHORT, begin, half_written, pictures_in

from deepdream_nb.folders import dream_folder, pairs
from deepdream_nb.images import load_image, sample
from deepdream_nb.recipes import Recipe, make_dream, make_zoom, undisturbed

photo = load_image(sample("cat"), max_side=48)

SEED = int(os.environ.get("DEEPDREAM_SEED") or time.time())  # of the moments; a failure names it


def stopped(process, signum, seconds, again=None):
    "Send a signal when a process has computed for so many seconds (and once more, `again` seconds later); returns the exit status and what was said on standard error."
    try:
        while process.poll() is None and sum(psutil.Process(process.pid).cpu_times()[:2]) < seconds: time.sleep(0.005)
        process.send_signal(signum)
        if again: time.sleep(again)
        if again: process.send_signal(signum)
        error = process.communicate(timeout=300)[1]
    finally: process.kill()
    return process.returncode, error


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell which signals a process meets")
@pytest.mark.parametrize("name", LONG_COMMANDS)
def test_any_long_command_stopped_at_any_moment(album, tmp_path, name):
    rng, (most, arguments) = random.Random(f"{SEED} {name}"), LONG_COMMANDS[name]
    running = []
    for signum, status, word in ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")):  # side by side, one on each processor
        shutil.copytree(album, tmp_path / word)
        running.append((begin(tmp_path / word, arguments), signum, rng.uniform(0, most), status, word))
    for process, signum, seconds, status, word in running:
        code, error = stopped(process, signum, seconds)
        said = f"DEEPDREAM_SEED={SEED}: {word} after {seconds:.2f} s, exit status {code}: {error}"
        assert (code, error.count("\n"), error.startswith(f"deepdream: {word}")) == (status, 1, True) or (code, error) == (0, ""), said
        assert not half_written(tmp_path / word), said


def test_ctrl_c_twice_keeps_the_checkpoint(album, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    process = begin(tmp_path / "album", ("dream", "cat.jpg", "--steps", 5000))
    code, error = stopped(process, signal.SIGINT, seconds := random.Random(SEED).uniform(7, 10), again=0.02)
    said = f"DEEPDREAM_SEED={SEED}: after {seconds:.2f} s, exit status {code}: {error}"
    assert (code, error) == (130, "deepdream: interrupted; the same command with --resume goes on\n") and not half_written(tmp_path), said


class Stop:
    "Interrupt this process at random moments, from within, as Ctrl-C does."
    def __init__(self, longest): self.rng, self.longest, self.count = random.Random(SEED), longest, 0
    def until_done(self, function):
        "Call a function again and again, each time with a moment to stop at, until it comes to its end."
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
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
    recipe, stop = Recipe(objective='layer("fire3")', octaves=3, steps=8), Stop(0.1)
    whole = make_dream(photo, recipe, network=squeezenet).image
    number = 0
    while stop.count < 6:  # a fast machine comes to its end before some of the moments
        part, number = tmp_path / f"{number}.part", number + 1
        made = stop.until_done(lambda: make_dream(photo, recipe, network=squeezenet, checkpoint=part, resume=True))
        assert np.array_equal(made.image, whole), f"DEEPDREAM_SEED={SEED}, {stop.count} stops"
    assert set(os.listdir(tmp_path)) <= {f"{k}.part" for k in range(number)}


def test_folder_stopped_again_and_again_ends_the_same(squeezenet, album, tmp_path):
    stop, settings_ = Stop(0.2), dict(size=48, batch=2, limit=8, network=squeezenet, progress=False)
    dream_folder(album / "photos", tmp_path / "whole", SHORT, **settings_)
    stop.until_done(lambda: dream_folder(album / "photos", tmp_path / "stopped", SHORT, **settings_))
    assert pictures_in(tmp_path / "stopped") == pictures_in(tmp_path / "whole") and len(pairs(tmp_path / "stopped")) == 8, f"DEEPDREAM_SEED={SEED}, {stop.count} stops"
    assert not half_written(tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of imageio's half-made writer
def test_film_stopped_again_and_again_ends_the_same(squeezenet, tmp_path):
    stop = Stop(0.2)
    make_zoom(photo, SHORT, tmp_path / "whole.gif", 8, network=squeezenet, progress=False)
    stop.until_done(lambda: make_zoom(photo, SHORT, tmp_path / "stopped.gif", 8, network=squeezenet, progress=False))
    assert pictures_in(tmp_path / "stopped.frames") == pictures_in(tmp_path / "whole.frames"), f"DEEPDREAM_SEED={SEED}, {stop.count} stops"
    assert (tmp_path / "stopped.gif").read_bytes() == (tmp_path / "whole.gif").read_bytes() and len(os.listdir(tmp_path)) == 4


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_put_off_to_the_end_of_a_block(signum):
    before, kept = signal.signal(signum, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt), undisturbed():
            for number in range(3):
                signal.raise_signal(signum)
                kept.append(number)
        assert kept == [0, 1, 2] and signal.getsignal(signum) is signal.default_int_handler
        with pytest.raises(ValueError), undisturbed(): raise ValueError
        assert signal.getsignal(signum) is signal.default_int_handler
    finally: signal.signal(signum, before)

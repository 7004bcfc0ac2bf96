"""Stops all long commands at random moments: `python tests/stops.py --count 200`

Each command is stopped and begun again until it comes to its end: by SIGINT or SIGTERM, once or twice; every
fourth is begun as a user does it, the others are forked from a process that has TensorFlow loaded.
Each stop must end in one line and leave whole files, and the end must be the same bytes as without any.
The moments depend on the seed and are counted in seconds of the processor, since a machine may be busy.
"""
import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import psutil
from processes import LONG_COMMANDS, SHORT, START, Forked, begin, half_written, pictures_in, started

from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.recipes import recipe_text
from deepdream_nb.workshop.trainings import read_weights

STATUS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}


def make_album(folder):
    "Photos of two kinds, all of one shape, and a short recipe; what `LONG_COMMANDS` work on."
    for number, name in enumerate(("cat", "coffee", "astronaut", "rocket", "raccoon", "hubble") * 5):
        path = folder / "photos" / "ab"[number % 2] / f"{name}{number}.png"
        y, x = np.random.default_rng(number).integers(0, 90, 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(load_image(sample(name), max_side=240)[y:y + 48, x:x + 48], path)
    save_image(load_image(sample("cat"), max_side=80), folder / "cat.jpg")
    (folder / "short.json").write_text(recipe_text(SHORT))


def stopped(process, signum, seconds, again=None):
    "Send a signal after so many seconds of computing, again `again` seconds later: its status, its words."
    def used():
        try: return sum(psutil.Process(process.pid).cpu_times()[:2])
        except psutil.NoSuchProcess: return 10**6  # it has just ended
    try:
        while process.poll() is None and used() < seconds: time.sleep(0.005)
        process.send_signal(signum)
        if again is not None:
            time.sleep(again)
            process.send_signal(signum)
        error = process.communicate()[1]
    finally: process.kill()
    return process.returncode, error


def stopped_well(code, error, signum):
    "Did a command that was sent a signal end with one line about it, or with its work?"
    status, word = STATUS[signum]
    one_line = error.startswith(f"deepdream: {word}") and error.count("\n") == 1
    return code == status and one_line or (code, error) == (0, "")


def outcome(folder):
    "What a command has made, by name, without the times that it took."
    found = pictures_in(folder)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".filter", ".gan"):
            card, weights = read_weights(path)
            found[path.name] = [weight.tobytes() for weight in weights]
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as parts: found[path.name] = parts.read("model.weights.h5")
        elif path.suffix in (".gif", ".mp4"): found[path.name] = path.read_bytes()
    return found


def stop_until_done(folder, name, rng, most_stops=20):
    "Stop a command at random moments until it ends; yields (what was done, was it well, status) of runs."
    most, arguments = LONG_COMMANDS[name]
    for number in range(most_stops + 1):
        start, signum = rng.choice([started, Forked, Forked, Forked]), rng.choice([*STATUS])
        process, longest = begin(folder, arguments, start), most + (START if start is started else 0)
        seconds = rng.uniform(0, longest) if number < most_stops else 10**6  # the last one comes to its end
        again = rng.choice([None, rng.uniform(0, 0.05)])
        code, error = stopped(process, signum, seconds, again)
        if number and code == 2 and "is there already" in error: return  # before, all was done
        bad = half_written(folder)
        times = "once" if again is None else "twice"
        said = f"{name}: {signum.name} {times} after {seconds:.2f} s: {code} {error!r} {bad or ''}"
        yield said, stopped_well(code, error, signum) and not bad, code
        if code == 0: return
        if name == "dream" and "--resume" in error: arguments = (*LONG_COMMANDS[name][1], "--resume")


def run(count, seed, names):
    "Make so many stops; returns how many went wrong."
    stops = wrong = 0
    with tempfile.TemporaryDirectory() as outer:
        whole = {}
        make_album(Path(outer, "album"))
        while stops < count:
            for name in names:
                rng, place = random.Random(f"{seed} {stops} {name}"), Path(outer, f"{name}{stops}")
                if name not in whole:
                    shutil.copytree(Path(outer, "album"), Path(outer, name))
                    assert begin(Path(outer, name), LONG_COMMANDS[name][1]).communicate()[1] == ""
                    whole[name] = outcome(Path(outer, name))
                shutil.copytree(Path(outer, "album"), place)
                for said, well, code in stop_until_done(place, name, rng):
                    stops, wrong = stops + (code != 0), wrong + (not well)  # what came to its end was no stop
                    print(said if well else f"WRONG {said}", flush=True)
                if outcome(place) != whole[name]:
                    wrong += 1
                    print(f"WRONG {name} came to another end")
                shutil.rmtree(place)
                if stops >= count: break
    print(f"{stops} stops with seed {seed}, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    # A shell that runs this in the background has Ctrl-C ignored, here and in all processes begun here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--command", choices=[*LONG_COMMANDS], action="append")
    given = parser.parse_args()
    sys.exit(min(1, run(given.count, given.seed, given.command or [*LONG_COMMANDS])))

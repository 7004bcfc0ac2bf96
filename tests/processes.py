"""Commands in processes of their own, and what they leave behind."""
import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import imageio.v3 as iio
from PIL import Image

from deepdream_nb.images import load_image
from deepdream_nb.recipes import Recipe

COMMAND = [sys.executable, "-m", "deepdream_nb"]  # of the checkout under test
SHORT = Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=6)
LONG_COMMANDS = {  # and the seconds of computing that each takes at most
    "dream": (7, ("dream", "cat.jpg", "--recipe", "terriers", "--min-side", "0")),
    "zoom": (8, ("zoom", "cat.jpg", "--recipe", "terriers", "--min-side", "0", "--frames", "9",
                 "--out", "cat.gif")),
    "style": (9, ("style", "cat.jpg", "photos/a/cat0.png", "--steps", "9")),
    "dataset": (8, ("dataset", "photos", "pairs", "--recipe", "short.json", "--size", "48", "--batch", "4")),
    "retrain": (16, ("retrain", "photos", "--size", "48", "--layer", "fire4", "--epochs", "1")),
    "train-filter": (20, ("train-filter", "short.json", "photos", "--steps", "5", "--batch", "2", "--side", "64",
                          "--size", "64")),
    "train-gan": (20, ("train-gan", "photos", "--epochs", "2", "--size", "32", "--width", "8", "--critic", "own",
                       "--batch", "8")),
    "fast": (8, ("fast", "photos", "--out", "fast")),
}


HOLDER = """
import sys, time
from deepdream_nb.workshop.files import sole_writer
with sole_writer(sys.argv[1]):
    print(flush=True)
    time.sleep(60)
"""


def _meets(process, signum):
    "Has a process a handler for a signal?"
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())[1]
    return int(caught, 16) >> (signum - 1) & 1


def begin(folder, arguments):
    "Start the command in a process; returns when it has come so far as to meet signals."
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = [*COMMAND, *map(str, arguments)]
    process = subprocess.Popen(line, cwd=folder, **pipes)
    while not _meets(process, signal.SIGTERM):
        assert process.poll() is None
        time.sleep(0.01)
    return process


def half_written(folder):
    "The files of a folder that are not whole, or should have been removed."
    bad = []
    for path in folder.rglob("*"):
        try:
            if path.is_dir() or path.suffix in (".txt", ".jsonl", ".lock"): continue
            if path.suffix == ".json": json.loads(path.read_text())
            elif path.suffix in (".keras", ".filter", ".gan", ".npz", ".part"):
                assert zipfile.ZipFile(path).testzip() is None
            elif path.suffix == ".h5": h5py.File(path).close()
            elif path.suffix == ".mp4": assert iio.improps(path).shape[0]
            elif path.suffix == ".gif": assert Image.open(path).n_frames == 9
            else: load_image(path)
            assert not path.name.startswith("."), "left over"
        except Exception as error: bad.append(f"{path.name}: {error!r}")
    return bad


def pictures_in(folder):
    "The bytes of a folder's pictures, by path."
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}

"""Commands in processes of their own, and what they leave behind."""
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import h5py
import imageio.v3 as iio
from PIL import Image

from deepdream_nb.images import load_image
from deepdream_nb.recipes import Recipe

COMMAND = [sys.executable, "-m", "deepdream_nb"]  # of the checkout under test
SHORT = Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=6)
START = 4  # seconds of computing until TensorFlow is there
LONG_COMMANDS = {  # and the seconds of computing that each takes at most after that
    "dream": (3, ("dream", "cat.jpg", "--recipe", "terriers", "--min-side", "0")),
    "zoom": (4, ("zoom", "cat.jpg", "--recipe", "terriers", "--min-side", "0", "--frames", "9",
                 "--out", "cat.gif")),
    "style": (5, ("style", "cat.jpg", "photos/a/cat0.png", "--steps", "9")),
    "dataset": (4, ("dataset", "photos", "pairs", "--recipe", "short.json", "--size", "48", "--batch", "4")),
    "retrain": (12, ("retrain", "photos", "--size", "48", "--layer", "fire4", "--epochs", "1")),
    "train-filter": (16, ("train-filter", "short.json", "photos", "--steps", "5", "--batch", "2",
                          "--side", "64", "--size", "64")),
    "train-gan": (16, ("train-gan", "photos", "--epochs", "2", "--size", "32", "--width", "8",
                       "--critic", "own", "--batch", "8")),
    "fast": (4, ("fast", "photos", "--out", "fast")),
}


HOLDER = """
import sys, time
from deepdream_nb.workshop.files import sole_writer
with sole_writer(sys.argv[1]):
    print(flush=True)
    time.sleep(60)
"""


def _obey(arguments, folder, *outputs):
    "In a forked process: the command, in a folder, with files for what it prints and says on standard error."
    os.chdir(folder)
    for number, path in enumerate(outputs, 1): os.dup2(os.open(path, os.O_WRONLY), number)
    sys.argv[1:] = arguments
    runpy.run_module("deepdream_nb", run_name="__main__", alter_sys=True)


_forks = get_context("forkserver")
_forks.set_forkserver_preload(["loaded"])


class Forked:
    """A command in a process of its own, to be handled as one of `subprocess.Popen`. It is forked from one
    that has TensorFlow loaded, which saves it the greater part of its start."""
    def __init__(self, folder, *arguments):
        self.outputs = [tempfile.NamedTemporaryFile(mode="r+", errors="replace") for _ in range(2)]
        names = [file.name for file in self.outputs]
        given = [*map(str, arguments)], str(folder), *names
        self.process = _forks.Process(target=_obey, args=given)
        self.process.start()
        self.pid = self.process.pid

    returncode = property(lambda self: self.process.exitcode)

    def poll(self): return self.returncode

    def wait(self):
        self.process.join()
        return self.returncode

    def send_signal(self, signum):
        with suppress(ProcessLookupError):
            if self.poll() is None: os.kill(self.pid, signum)

    def kill(self): self.send_signal(signal.SIGKILL)

    def communicate(self):
        self.wait()
        return [file.read() for file in self.outputs]


def finished(folder, *arguments):
    "What `subprocess.run` returns, of a command that was `Forked`."
    process = Forked(folder, *arguments)
    said = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, *said)


def started(folder, *arguments):
    "A command as a user starts it."
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([*COMMAND, *map(str, arguments)], cwd=folder, **pipes)


def _meets(process, signum):
    "Has a process a handler for a signal?"
    try: caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())[1]
    except OSError: return False  # it has just ended
    return int(caught, 16) >> (signum - 1) & 1


def begin(folder, arguments, start=Forked):
    "Start the command in a process; returns when it has come so far as to meet signals."
    process = start(folder, *arguments)
    while not _meets(process, signal.SIGTERM):
        assert process.poll() is None, process.communicate()
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

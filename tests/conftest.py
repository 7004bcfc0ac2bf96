"""What the tests share."""
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import finished
from stops import make_album

from deepdream_nb.apps.cli import main
from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.networks import load_network

# A shell that runs the tests in the background has Ctrl-C ignored, here and in all processes begun here.
signal.signal(signal.SIGINT, signal.default_int_handler)

weights = os.environ.get("DEEPDREAM_WEIGHTS")
weights_given = weights and all(
    (Path(weights) / f"{name}.weights.h5").is_file() for name in ("vgg19", "inception_v3"))
needs_weights = pytest.mark.skipif(
    not weights_given, reason="DEEPDREAM_WEIGHTS names no folder with vgg19 and inception_v3")
photos = os.environ.get("DEEPDREAM_PHOTOS")
photos_given = photos and all((Path(photos) / name).is_dir() for name in ("natural_images", "imagenet25"))
needs_photos = pytest.mark.skipif(
    not photos_given, reason="DEEPDREAM_PHOTOS names no folder with natural_images and imagenet25")
nouns = Path("/usr/share/wordnet/data.noun")
needs_wordnet = pytest.mark.skipif(
    not nouns.exists(), reason="WordNet 3.0 is not installed (Debian: wordnet-base)")
chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
has_chromium = bool(chromium and find_spec("playwright"))
has_browser = bool(has_chromium and find_spec("voila"))
has_npm = bool(shutil.which("npm"))
# Commands in processes of their own are those of this checkout, wherever they run.
checkout = str(Path(__file__).parents[1])
os.environ["TQDM_DISABLE"] = "1"  # no progress, and no word on how long something takes on a busy machine
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))


def _in_this_process(line):
    "Run a command line with what this process has loaded and compiled; returns as `subprocess.run` does."
    signals = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    said, complained = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complained), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["deepdream", *line])
        try: main()
        except SystemExit as end: status = end.code
        finally:
            for one, handler in signals.items(): signal.signal(one, handler)
    return subprocess.CompletedProcess(line, status, said.getvalue(), complained.getvalue())


@pytest.fixture
def deepdream(tmp_path, monkeypatch):
    """Run `deepdream` in an empty folder that holds a small `cat.jpg`, in a process of its own if asked to;
    returns the finished process."""
    save_image(load_image(sample("cat"), max_side=120), tmp_path / "cat.jpg")

    def run(*arguments, own_process=False):
        line = [*map(str, arguments)]
        if own_process: return finished(tmp_path, *line)
        with monkeypatch.context() as here:
            here.chdir(tmp_path)
            return _in_this_process(line)

    return run


@contextmanager
def full_disk(size=0):
    "As on a full disk: this process cannot make a file larger than `size` bytes."
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try: yield
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, before)


LONGEST = ("command", "networks", "panels", "filters", "retraining", "folders", "gan", "stopping", "readme")


def pytest_collection_modifyitems(items):
    "The files that take longest come first, so that at the end no process is left alone with one of them."
    def place(item):
        name = item.path.stem.removeprefix("test_")
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)
    items.sort(key=place)


@pytest.fixture(scope="session")
def album(tmp_path_factory):
    "A folder with photos of two kinds, all of one shape, and a short recipe."
    folder = tmp_path_factory.mktemp("album")
    make_album(folder)
    return folder


@pytest.fixture(scope="session")
def squeezenet(): return load_network("squeezenet")

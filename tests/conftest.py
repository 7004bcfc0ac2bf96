"""What the tests share."""
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from deepdream_nb.images import load_image, sample, save_image

weights = os.environ.get("DEEPDREAM_WEIGHTS")
has_weights = weights and all((Path(weights) / f"{name}.weights.h5").is_file() for name in ("vgg19", "inception_v3"))
needs_weights = pytest.mark.skipif(not has_weights, reason="DEEPDREAM_WEIGHTS names no folder with vgg19 and inception_v3")
photos = os.environ.get("DEEPDREAM_PHOTOS")
has_photos = photos and all((Path(photos) / name).is_dir() for name in ("natural_images", "imagenet25"))
needs_photos = pytest.mark.skipif(not has_photos, reason="DEEPDREAM_PHOTOS names no folder with natural_images and imagenet25")
nouns = Path("/usr/share/wordnet/data.noun")
needs_wordnet = pytest.mark.skipif(not nouns.exists(), reason="WordNet 3.0 is not installed (Debian: wordnet-base)")
chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
has_browser = bool(chromium and find_spec("playwright") and find_spec("voila"))
command = Path(sys.executable).with_name("deepdream")


@pytest.fixture
def deepdream(tmp_path):
    "Run `deepdream` in an empty folder that holds a small `cat.jpg`; returns the finished process."
    save_image(load_image(sample("cat"), max_side=120), tmp_path / "cat.jpg")

    def run(*arguments):
        return subprocess.run([command, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return run


@contextmanager
def full_disk(size=0):
    "As on a full disk: this process cannot make a file larger than `size` bytes."
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try: yield
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, before)

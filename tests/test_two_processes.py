"""Two processes at one place, and the package as it is installed."""
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from processes import LONG_COMMANDS, SHORT, begin, half_written, pictures_in

from deepdream_nb.archives import download
from deepdream_nb.datasets import collect, split_photos
from deepdream_nb.folders import dream_folder
from deepdream_nb.gan import train_gan
from deepdream_nb.generators import train_generator
from deepdream_nb.images import DeepDreamError, ImageError, data_folder, sole_writer
from deepdream_nb.recipes import make_zoom, read_record
from deepdream_nb.retraining import retrain

def side_by_side(folder, *lines):
    "Run commands at the same time; returns for each its exit status and what it said on standard error."
    running = [begin(folder, line) for line in lines]
    return [(process.returncode, error) for process in running for _, error in [process.communicate(timeout=400)]]


def test_two_processes_write_the_same_picture(album, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    lines = [("dream", "cat.jpg", "--steps", 3, "--layer", name, "--out", "one.png") for name in ("fire3", "fire5")]
    ends = side_by_side(tmp_path / "album", *lines)
    assert sorted(code for code, _ in ends) == [0, 2] and "one.png is there already" in "".join(error for _, error in ends)
    won = [code for code, _ in ends].index(0)
    assert read_record(tmp_path / "album" / "one.png").recipe.objective == f'layer("{("fire3", "fire5")[won]}")'
    assert not half_written(tmp_path) and sorted(os.listdir(tmp_path / "album")) in (sorted([*os.listdir(album), "one.png"]), sorted([*os.listdir(album), "one.png", "one.png.part"]))


def test_two_processes_write_one_data_set(album, squeezenet, tmp_path):
    shutil.copytree(album, tmp_path / "album")
    line = (*LONG_COMMANDS["dataset"][1], "--limit", "8")
    ends = side_by_side(tmp_path / "album", line, line)
    assert (0, "") in ends and all(code == 0 or code == 2 and "another run is writing to pairs" in error for code, error in ends)
    dream_folder(album / "photos", tmp_path / "alone", SHORT, size=48, batch=4, limit=8, network=squeezenet, progress=False)
    assert pictures_in(tmp_path / "album" / "pairs") == pictures_in(tmp_path / "alone") and len((tmp_path / "album" / "pairs" / "manifest.jsonl").read_text().splitlines()) == 8


SECOND_WRITERS = {  # each is told to write to a place at which another one writes
    "zoom.gif": lambda album, network, path: make_zoom(album / "cat.jpg", SHORT, path, frames=2, network=network),
    "pairs": lambda album, network, path: dream_folder(album / "photos", path, SHORT, size=48, network=network),
    "own.keras": lambda album, network, path: retrain(network, album / "photos", path, layer="fire4", size=48),
    "own.gan": lambda album, network, path: train_gan(album / "photos", path, width=8, batch=8),
    "own.filter": lambda album, network, path: train_generator(SHORT, album / "photos", path, network=network),
    "clean": lambda album, network, path: collect(album / "photos", path, ["a", "b"]),
    "split": lambda album, network, path: split_photos(album / "photos", path),
    "a.tar": lambda album, network, path: download("http://127.0.0.1:9/a.tar", path),
}


@pytest.mark.parametrize("name", SECOND_WRITERS)
def test_a_second_writer_is_told_so_and_leaves_all_as_it_was(album, squeezenet, tmp_path, name):
    before = sorted(os.listdir(album))
    with sole_writer(tmp_path / name):
        with pytest.raises(DeepDreamError, match=f"another run is writing to .*{name}"): SECOND_WRITERS[name](album, squeezenet, tmp_path / name)
        assert os.listdir(tmp_path) == [f".{name}.lock"]
    assert os.listdir(tmp_path) == [] and sorted(os.listdir(album)) == before


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path):
    script = f"from deepdream_nb.images import sole_writer; import time\nwith sole_writer({str(tmp_path / 'pairs')!r}): print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(ImageError, match="another run is writing to .*pairs"), sole_writer(tmp_path / "pairs"): pass
    (tmp_path / ".pairs.0123abcd").touch()  # half-written by the one that is killed now
    holder.kill()
    holder.wait()
    with sole_writer(tmp_path / "pairs"): assert os.listdir(tmp_path) == [".pairs.lock"]
    assert os.listdir(tmp_path) == []


def test_two_processes_fill_one_cache_of_channels(tmp_path):
    script = "from deepdream_nb.networks import load_network; from deepdream_nb.panels import make_channels; print('ready', flush=True); input(); [make_channels(load_network(), 'fire2', [0, 1], 32, 2) for _ in range(4)]"
    environment = {**os.environ, "DEEPDREAM_DREAMS": str(tmp_path)}
    running = [subprocess.Popen([sys.executable, "-c", script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in running: assert process.stdout.readline() == "ready\n"
    for process in running: print(file=process.stdin, flush=True)
    assert [process.communicate(timeout=400)[1] for process in running] == ["", ""] and [process.returncode for process in running] == [0, 0]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["0-32.jpg", "1-32.jpg"] and not half_written(tmp_path)


# The package ----------------------------------------------------------------------------------------------------------

def test_wheel_from_the_sdist_holds_all_that_a_dream_needs(tmp_path):
    def build(folder, what): return next((tmp_path / "dist").glob(subprocess.run([sys.executable, "-c", f"from setuptools.build_meta import *; print(build_{what}({str(tmp_path / 'dist')!r}))"], cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]))
    (tmp_path / "dist").mkdir()
    root = data_folder().parent
    shutil.copytree(root, tmp_path / "clone", ignore=shutil.ignore_patterns(".*", "nbs", "build", "dist", "*.egg-info", "__pycache__"))
    with tarfile.open(build(tmp_path / "clone", "sdist")) as archive: archive.extractall(tmp_path, filter="data")
    with zipfile.ZipFile(build(next(tmp_path.glob("deepdream_nb-*")), "wheel")) as archive: archive.extractall(tmp_path / "site")
    names = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*") if path.is_file() and ".dist-info" not in path.as_posix()}
    modules = {f"deepdream_nb/{path.name}" for path in (root / "deepdream_nb").glob("*.py")}
    data = {f"deepdream_nb/data/{path.relative_to(root / 'data').as_posix()}" for pattern in ("*.jpg", "*.txt", "*.md", "filters/*", "gans/*") for path in (root / "data").glob(pattern)}
    assert names == modules | data and {"deepdream_nb/data/filters/swirls.filter", "deepdream_nb/data/gans/dreams.gan", "deepdream_nb/data/cat.jpg", "deepdream_nb/data/imagenet_classes.txt"} < names
    assert "deepdream = deepdream_nb.command:main" in next((tmp_path / "site").glob("*/entry_points.txt")).read_text()
    script = "from deepdream_nb.generators import filter_names; from deepdream_nb.images import load_image, sample; print(filter_names(), load_image(sample()).shape, sample())"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "dist", env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True)
    assert "swirls" in done.stdout and str(tmp_path / "site" / "deepdream_nb" / "data" / "cat.jpg") in done.stdout, done.stderr

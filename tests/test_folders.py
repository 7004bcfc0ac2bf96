"""Folders of dreams: killed runs, killed workers, full disks, bad photos."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from distributed import Client, LocalCluster
from processes import HOLDER, Forked, finished

from deepdream_nb.apps.folder_runs import dream_folder
from deepdream_nb.datasets import pairs, read_manifest
from deepdream_nb.images import load_image, resize, sample, save_image
from deepdream_nb.recipes import Recipe, read_record, recipe_text, replay

SLOW = Recipe("squeezenet", 'layer("fire4")', octaves=1, steps=60)  # slow enough to be killed in the middle


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    "A folder of thirteen photos in two folders, one of them damaged, and a recipe beside it."
    folder = tmp_path_factory.mktemp("folders")
    for number, name in enumerate(("cat", "coffee", "hubble", "rocket", "raccoon", "astronaut") * 2):
        (folder / "photos" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        image = np.clip(resize(load_image(sample(name)), (64, 64 + number)), 0, 1)
        save_image(image, folder / "photos" / "ab"[number % 2] / f"{name}{number}.png")
    (folder / "photos" / "b" / "damaged.jpg").write_bytes(sample("cat").read_bytes()[:3000])
    (folder / "slow.json").write_text(recipe_text(SLOW))
    return folder / "photos"


def contents(target):
    "Every picture of a data set by name, as bytes."
    return {str(path.relative_to(target)): path.read_bytes() for path in sorted(target.rglob("*.png"))}


def names_in_manifest(target):
    return [json.loads(line)["name"] for line in (target / "manifest.jsonl").read_text().splitlines()]


def wait_for_lines(target, count, process=None, seconds=90):
    manifest, end = target / "manifest.jsonl", time.monotonic() + seconds
    while not (manifest.is_file() and manifest.read_bytes().count(b"\n") >= count):
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(photos):
    "The data set made by an undisturbed run in one process."
    run = dream_folder(photos, photos.parent / "whole", SLOW, size=64, batch=2, progress=False)
    assert (run.made, run.there, run.bad) == (12, 0, 1) and "1 bad photo, see" in str(run)
    return photos.parent / "whole"


def test_pairs_mirror_the_tree_and_replay(photos, whole, tmp_path):
    for picture, dream in pairs(whole):
        assert picture.relative_to(whole / "input") == dream.relative_to(whole / "dream")
        assert (photos / picture.relative_to(whole / "input")).is_file()
        assert load_image(dream).shape == (64, 64, 3)
        assert read_record(dream).recipe == SLOW
    entry = read_manifest(whole)["b/damaged.png"]
    assert entry["status"] == "bad" and "damaged.jpg is damaged" in entry["error"]
    alone = tmp_path / "alone"
    dream_folder(photos, alone, SLOW, size=64, batch=1, limit=2, progress=False)
    assert all(replay(dream, picture).identical for picture, dream in pairs(alone))


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_killed_run_goes_on_to_the_same_bytes(photos, whole, tmp_path, signum):
    recipe = photos.parent / "slow.json"
    line = "dataset", photos, "target", "--recipe", recipe, "--size", "64", "--batch", "2"
    process = Forked(tmp_path, *line)
    wait_for_lines(tmp_path / "target", 3, process)
    process.send_signal(signum)
    _, error = process.communicate()
    assert process.returncode not in (0, 1, 2) and "Traceback" not in error
    assert signum == signal.SIGKILL or error.endswith("the same command goes on\n")
    done = [name for name, entry in read_manifest(tmp_path / "target").items() if entry["status"] == "done"]
    assert 2 <= len(done) < 12
    with open(tmp_path / "target" / "manifest.jsonl", "ab") as file:
        file.write(b'{"name": "a/half')  # as if killed within a line
    def times(): return {name: (tmp_path / "target" / "dream" / name).stat().st_mtime_ns for name in done}
    before = times()
    again = finished(tmp_path, *line)
    assert again.returncode == 0 and f"{len(done)} were there already" in again.stdout, again.stderr
    assert contents(tmp_path / "target") == contents(whole)
    assert sorted(names_in_manifest(tmp_path / "target")) == sorted(names_in_manifest(whole))
    assert times() == before  # none was made twice


def local_cluster(workers):
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")


def test_dask_with_a_killed_worker_makes_the_same_bytes(photos, whole, tmp_path):
    # The workers are started by the command that users start them with, each with a nanny that replaces it.
    with local_cluster(2) as cluster, Client(cluster) as client:
        victim = client.run(os.getpid)
        first = str(next(iter(victim.values())))
        killer = subprocess.Popen([sys.executable, "-c", KILLER, str(tmp_path / "target"), first])
        settings = dict(size=64, batch=2, executor=client.get_executor(pure=False), progress=False)
        run = dream_folder(photos, tmp_path / "target", SLOW, **settings)
        assert killer.wait() == 0
        assert set(client.run(os.getpid).values()) != set(victim.values())  # it was killed, and replaced
    assert (run.made, run.bad) == (12, 1)
    assert contents(tmp_path / "target") == contents(whole)
    assert sorted(names_in_manifest(tmp_path / "target")) == sorted(names_in_manifest(whole))


KILLER = """
import os, signal, sys, time
manifest = os.path.join(sys.argv[1], "manifest.jsonl")
while not (os.path.exists(manifest) and open(manifest, "rb").read().count(b"\\n") >= 2): time.sleep(0.005)
os.kill(int(sys.argv[2]), signal.SIGKILL)
"""


def test_dask_by_the_address_of_a_scheduler(deepdream, photos, whole, tmp_path):
    line = ("dataset", photos, "remote", "--recipe", photos.parent / "slow.json", "--size", 64, "--batch", 2)
    with local_cluster(1) as cluster:
        where = ("--executor", "dask", "--scheduler", cluster.scheduler_address)
        done = deepdream(*line, "--limit", 4, *where)
    assert done.returncode == 0, done.stderr
    made = contents(tmp_path / "remote")
    assert len(made) == 8 and all(contents(whole)[name] == data for name, data in made.items())


@pytest.fixture
def tiny_disk(tmp_path):
    "A file system of 100 kB."
    (tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", tmp_path / "disk"]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode: pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield tmp_path / "disk"
    subprocess.run(["umount", tmp_path / "disk"], check=True)


def test_full_disk_stops_the_run_and_keeps_what_is_done(deepdream, photos, whole, tiny_disk):
    recipe, target = photos.parent / "slow.json", tiny_disk / "target"
    line = ("dataset", photos, target, "--recipe", recipe, "--size", 64, "--batch", 2)
    done = deepdream(*line)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "No space left" in done.stderr and "the same call goes on" in done.stderr
    made = [name for name, entry in read_manifest(tiny_disk / "target").items() if entry["status"] == "done"]
    assert 0 < len(made) < 12
    right = contents(whole)
    assert all(right[f"dream/{name}"] == (target / "dream" / name).read_bytes() for name in made)
    subprocess.run(["mount", "-o", "remount,size=2m", tiny_disk], check=True)
    assert deepdream(*line).returncode == 0 and contents(tiny_disk / "target") == contents(whole)


@pytest.mark.parametrize("arguments, said", [
    (["nowhere", "target"], "there is no folder nowhere"),
    (["slow.json", "target"], "there is no folder slow.json"),
    (["empty", "target"], "there is no picture in empty"),
    (["photos", "photos/dreams"], "lie within each other"),
    (["photos", "empty2"], "not empty"),
    (["photos", "target", "--recipe", "natural-dream"], "natural-dreams"),
    (["photos", "target", "--batch", "0"], "batch is a whole number from 1"),
    (["photos", "target", "--recipe", "fur", "--size", "20"], "too small"),
    (["photos", "target", "--limit", "0"], "limit is a whole number from 1"),
    (["photos", "target", "--executor", "spark"], "valid: local, dask"),
    (["photos", "target", "--scheduler", "tcp://127.0.0.1:9"], "--executor dask"),
])
def test_one_line_for_each_error(deepdream, photos, tmp_path, arguments, said):
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "slow.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty2").mkdir()
    (tmp_path / "empty2" / "letter.txt").write_text("mine")
    done = deepdream("dataset", *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1 and said in done.stderr
    assert not (tmp_path / "target").exists()


def test_another_recipe_or_a_second_run_is_refused(deepdream, photos, whole):
    before = contents(whole)
    other = deepdream("dataset", photos, whole, "--recipe", "terriers", "--size", 64, "--batch", 2)
    assert other.returncode == 2 and "dreams of another recipe (steps, octaves, objective)" in other.stderr
    size = deepdream("dataset", photos, whole, "--recipe", photos.parent / "slow.json", "--size", 72)
    assert size.returncode == 2 and "dreams of another recipe (size)" in size.stderr
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(whole)], stdout=subprocess.PIPE)
    holder.stdout.readline()
    second = deepdream("dataset", photos, whole, "--recipe", photos.parent / "slow.json", "--size", 64)
    holder.kill()
    assert second.returncode == 2 and "another run is writing" in second.stderr
    assert contents(whole) == before

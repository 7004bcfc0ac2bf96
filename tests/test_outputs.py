"""What a command may write and remove: found out before its work begins, whatever a file is called."""
import io
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import full_disk
from processes import COMMAND, SHORT

from deepdream_nb.apps.cli import main
from deepdream_nb.apps.folder_runs import _pair_names, dream_folder
from deepdream_nb.datasets import Photos, part_of, part_pictures, read_manifest
from deepdream_nb.filter_training import training_photos
from deepdream_nb.gan import small_pictures
from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.networks import tensorflow
from deepdream_nb.records import recipe_text
from deepdream_nb.retraining import _digest
from deepdream_nb.workshop.files import DeepDreamError, LeftOut, new_folder
from deepdream_nb.workshop.trainings import TrainingFolder


ODD = os.fsdecode(b"caf\xe9 $(touch x)")  # bytes that are no UTF-8, and what a shell would run


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.is_file() and path.read_bytes()
            for path in folder.rglob("*")}


def one_line(done, *said, status=2):
    "Did a command end with one sentence that holds some words?"
    assert done.returncode == status and done.stderr.count("\n") == 1, done.stderr
    assert all(one in done.stderr for one in said), done.stderr


QUICK = ("--network", "squeezenet", "--steps", 1, "--octaves", 1, "--min-side", 0)
MAKES = {  # commands that write a picture or a film, without their output
    "dream": ("dream", "cat.jpg", *QUICK), "style": ("style", "cat.jpg", "cup.png", "--steps", 1),
    "fast": ("fast", "cat.jpg"), "gan": ("gan", "--size", 64), "sheet": ("recipe", "cat.jpg", "--sheet"),
    "filters": ("fast", "cat.jpg", "--sheet"),
    "visualize": ("visualize", "squeezenet", "fire3", "--steps", 1),
    "replay": ("replay", "made.png", "--input", "cat.jpg"), "zoom": ("zoom", "cat.jpg", *QUICK),
}


@pytest.fixture
def folder(tmp_path, deepdream):
    save_image(load_image(sample("coffee"), max_side=60), tmp_path / "cup.png")
    for name in ("a.jpg", "b.png"):
        (tmp_path / "photos" / name[0]).mkdir(parents=True)
        save_image(load_image(sample("cat"), max_side=64), tmp_path / "photos" / name[0] / name)
    (tmp_path / "short.json").write_text(recipe_text(SHORT))
    return tmp_path


@pytest.mark.parametrize("name", MAKES)
def test_an_output_that_cannot_be_is_found_before_the_work(deepdream, folder, name, monkeypatch):
    line, ending = MAKES[name], ".gif" if name == "zoom" else ".png"
    if line[-1] != "--sheet": line = (*line, "--out")
    (folder / f"folder{ending}").mkdir()
    os.symlink("nowhere", folder / f"link{ending}")
    before = contents(folder)
    # None of them needs a network or reads a photo: that would be work, and these would be named.
    one_line(deepdream(*line, f"folder{ending}", "--force"), "it is a folder")
    one_line(deepdream(*line, f"link{ending}"), "is there already; --force overwrites it")
    one_line(deepdream(*line, f"nowhere/a{ending}"), "there is no folder nowhere")
    for count in (241, 251): one_line(deepdream(*line, "n" * count + ending), "File name too long")
    with full_disk(): one_line(deepdream(*line, f"a{ending}"), "cannot write a", "File too large")
    if name == "gan": return
    read = "made.png" if name == "replay" else "cat.jpg" if name != "zoom" else "cat.gif"
    if name in ("zoom", "replay"): save_image(load_image(folder / "cat.jpg"), folder / "made.png")
    if name == "zoom": (folder / "made.png").rename(folder / "cat.gif")
    if name == "visualize": return
    if name == "zoom": line = (line[0], "cat.gif", *line[2:])
    one_line(deepdream(*line, read, "--force"), f"{read} is what this command reads; name another file")
    assert {one: data for one, data in contents(folder).items() if one in before} == before


@pytest.mark.parametrize("line, said", [
    (("train-filter", "short.json", "photos", "--out", "a.filter"), "a.progress.jpg: it is a folder"),
    (("train-filter", "short.json", "photos", "--out", f"{'n' * 240}.filter"), "File name too long"),
    (("train-filter", "short.json", "photos", "--out", "made.filter", "--start", "made.filter", "--force"),
     "is what this command reads"),
    (("retrain", "photos", "--out", "folder.keras", "--force"), "it is a folder"),
    (("retrain", "photos", "--out", "own.keras", "--network", "own.keras", "--force"),
     "is what this command reads"),
    (("train-gan", "photos", "--out", "a.gan"), "a.mp4 is there already"),
    (("train-gan", "photos", "--out", "folder.gan"), "it is a folder"),
    (("fast", "photos", "--out", "short.json"), "is there already"),
    (("fast", "photos", "--out", "n" * 256), "File name too long"),
    (("dataset", "photos", "short.json"), "cannot make the folder short.json"),
])
def test_what_a_long_run_writes_is_tried_first(deepdream, folder, line, said):
    for name in ("a.progress.jpg", "folder.keras", "folder.gan"): (folder / name).mkdir()
    for name in ("a.mp4", "made.filter", "own.keras"): (folder / name).write_bytes(b"mine")
    before = contents(folder)
    one_line(deepdream(*line), said)
    assert contents(folder) == before


def test_a_folder_that_may_not_be_written_to(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    code = ("import os\nfrom deepdream_nb.workshop.files import FileError, check_output\n"
            "if os.geteuid() == 0: os.setuid(65534)\n"
            "try: check_output('a.png')\nexcept FileError as error: print(error)")
    run = dict(cwd=tmp_path / "closed", capture_output=True, text=True)
    done = subprocess.run([sys.executable, "-c", code], **run)
    assert done.stdout == "cannot write a.png: Permission denied\n", done.stderr


def test_a_recipe_that_a_jpeg_cannot_hold_is_found_before_the_work(deepdream, folder):
    long = " + ".join(f'direction("fire3", [{", ".join(["0.123456789"] * 128)}])' for _ in range(50))
    (folder / "long.json").write_text(recipe_text(replace(SHORT, objective=long)))
    line = ("dream", "cat.jpg", "--recipe", "long.json", "--steps", 100_000, "--out")
    one_line(deepdream(*line, "a.jpg"), "the note has", "JPEG holds 65,000, PNG and WebP hold more")
    assert not (folder / "a.jpg").exists() and not (folder / "a.jpg.part").exists()


def test_a_long_name_of_a_photo_gives_one_that_fits(deepdream, folder):
    name = "ü" * 120
    (folder / "cat.jpg").rename(folder / f"{name}.jpg")
    assert deepdream("fast", f"{name}.jpg").returncode == 0
    [made] = folder.glob("ü*.heads.png")
    assert len(made.name.encode()) <= 255 - 60  # of which some are for the names of what is half written


def test_what_is_unfinished_is_not_begun_anew_without_a_word(deepdream, folder):
    (folder / "a.png.part").write_bytes(b"hours of work")
    one_line(deepdream("dream", "cat.jpg", *QUICK, "--out", "a.png"), "--resume goes on with it, and --force")
    assert (folder / "a.png.part").read_bytes() == b"hours of work"
    (folder / "my.steps").mkdir()
    one_line(deepdream("fast", "cat.jpg", "--filter", "my.filter"),
             "my.filter is not finished; the same train-filter command goes on from my.steps")


@pytest.mark.parametrize("line", [
    ("retrain", "phtos", "--out", "mine.keras"), ("retrain", "photos", "--out", "mine.png"),
    ("retrain", "photos", "--out", "mine.keras", "--network", "squeezent"),
    ("retrain", "photos", "--out", "mine.keras", "--size", "7"),
    ("train-filter", "short.json", "phtos", "--out", "mine.filter"),
    ("train-filter", "shrt.json", "photos", "--out", "mine.filter"),
    ("train-filter", "short.json", "photos", "--out", "mine.filter", "--steps", "0"),
    ("train-filter", "short.json", "photos", "--out", "mine.png"),
])
def test_force_with_a_mistake_removes_nothing(deepdream, folder, line):
    for ending in (".stages", ".steps"):
        (folder / "mine").with_suffix(ending).mkdir()
        for name in ("00.keras", "00001.png", "log.json", "letter.txt"):
            ((folder / "mine").with_suffix(ending) / name).write_text("mine")
    before = contents(folder)
    assert deepdream(*line, "--force").returncode == 2 and contents(folder) == before


def test_a_training_removes_only_what_it_wrote(tmp_path):
    kept = tmp_path / "mine.steps"
    kept.mkdir()
    (kept / "own.weights.h5").write_bytes(b"mine")
    for anew in (False, True):
        with pytest.raises(DeepDreamError, match="holds something else, own.weights.h5"):
            TrainingFolder(tmp_path / "mine.filter", "steps", {}, anew=anew)
    (kept / "own.weights.h5").unlink()
    training = TrainingFolder(tmp_path / "mine.filter", "steps", {"a": 1})
    training.keep({"done": 1}, {".png": b"png"})
    (kept / "notes.weights.h5").write_bytes(b"mine")  # in the meantime
    path = tmp_path / "mine.filter"
    with pytest.raises(DeepDreamError, match="other a"): TrainingFolder(path, "steps", {"a": 2})
    again = TrainingFolder(path, "steps", {"a": 2}, anew=True)
    assert again.history == [] and sorted(os.listdir(kept)) == ["log.json", "notes.weights.h5"]
    again.keep({"done": 1}, {".png": b"png"})
    again.drop_files()
    assert os.listdir(kept) == ["notes.weights.h5"]


def test_a_data_set_under_way_takes_no_folder_of_anybody(tmp_path):
    (tmp_path / "clean.part").mkdir()
    (tmp_path / "clean.part" / "letter.txt").write_text("mine")
    with pytest.raises(ValueError), new_folder(tmp_path / "clean") as part: raise ValueError
    assert part.is_dir() and (tmp_path / "clean.part" / "letter.txt").read_text() == "mine"
    with new_folder(tmp_path / "clean") as part: (part / "a.txt").write_text("a")
    assert sorted(os.listdir(tmp_path)) == ["clean", "clean.part"]  # what was stopped is gone


def test_frames_of_anybody_are_no_part_of_a_film(deepdream, folder):
    (folder / "a.frames").mkdir()
    save_image(load_image(folder / "cat.jpg"), folder / "a.frames" / "00001.png")
    before = contents(folder)
    done = deepdream(*MAKES["zoom"], "--frames", 3, "--out", "a.gif")
    one_line(done, "a.frames holds something else, 00001.png")
    assert contents(folder) == before


# Folders of photos -------------------------------------------------------------------------------

def test_force_on_a_folder_makes_dreams_anew_and_nothing_else(deepdream, folder):
    (folder / "dreams" / "a").mkdir(parents=True)
    own = folder / "dreams" / "a" / "a.png"
    own.write_bytes((folder / "cup.png").read_bytes())
    for made in (1, 1):  # the second time, over the dream of the first
        done = deepdream("fast", "photos", "--out", "dreams", "--force")
        assert f"dreams: {made} dreams" in done.stdout and "1 were there already" in done.stdout
    assert own.read_bytes() == (folder / "cup.png").read_bytes()


def test_a_folder_in_the_way_of_a_name_of_our_own_gets_another(deepdream, folder):
    (folder / "cat.heads.png").mkdir()
    assert "cat.heads.2.png  120x80" in deepdream("fast", "cat.jpg").stdout


def test_every_photo_has_a_dream_of_its_own():
    names = ["a.jpg", "a.png", "a.jpg.png", "a.jpg.png.png", "b.JPG", "b.jpg", "c.webp", "d/a.jpg", "D/a.jpg"]
    found = _pair_names([Path("photos", name) for name in names], Path("photos"))
    assert len({name.casefold() for name in found.values()}) == len(names)
    assert found[Path("photos/c.webp")] == "c.png" and all(name.endswith(".png") for name in found.values())


def test_a_damaged_photo_is_left_out_of_a_training(folder):
    (folder / "photos" / "a" / "torn.jpg").write_bytes(sample("cat").read_bytes()[:2000])
    (folder / "photos" / "a" / "notes.txt").write_text("cats")
    with pytest.warns(LeftOut, match="a/torn.jpg is damaged") as told:
        assert len(training_photos(folder / "photos", None, 9, 48)) == 2
    passed_over = "1 file that is no picture by the ending, in photos: 1 .txt"
    assert passed_over in [str(one.message) for one in told]
    with pytest.warns(LeftOut, match="a/torn.jpg is damaged"):
        assert small_pictures(folder / "photos", 32).shape == (2, 32, 32, 3)


def test_what_does_not_fit_is_passed_over_with_a_word(deepdream, folder):
    save_image(np.zeros((9, 9, 3), "float32"), folder / "photos" / "icon.png")
    (folder / "photos" / "notes.txt").write_text("cats")
    (folder / "photos" / ".ipynb_checkpoints").mkdir()
    save_image(np.zeros((40, 40, 3), "float32"), folder / "photos" / ".ipynb_checkpoints" / "c.png")
    done = deepdream("fast", "photos", "--out", "dreams")
    assert done.returncode == 0 and "dreams: 2 dreams" in done.stdout, done.stderr
    assert "left out: icon.png: a dream filter takes pictures of 32" in done.stderr
    assert "left out: 1 file that is no picture by the ending, in photos: 1 .txt\n" in done.stderr


def test_a_photo_that_is_another_one_by_now_is_dreamt_on_anew(folder, squeezenet):
    photos, target = folder / "photos", folder / "pairs"
    how = dict(size=48, batch=1, network=squeezenet, progress=False)
    (photos / "a" / "a.jpg").rename(photos / "a" / f"{ODD}.jpg")
    assert dream_folder(photos, target, SHORT, **how).made == 2
    before = contents(target)
    save_image(load_image(sample("coffee"), max_side=64), photos / "b" / "b.png")
    run = dream_folder(photos, target, SHORT, **how)
    assert (run.made, run.there) == (1, 1)
    changed = [name for name, data in contents(target).items() if data != before[name]]
    assert sorted(changed) == ["dream/b/b.png", "input/b/b.png", "manifest.jsonl"]
    assert dream_folder(photos, target, SHORT, **how).made == 0
    assert read_manifest(target)["b/b.png"]["status"] == "done"


def test_a_sheet_of_ones_own_network_can_be_made_again_by_its_line(deepdream, folder):
    keras = tensorflow().keras
    image = keras.Input((None, None, 3))
    (folder / "my nets").mkdir()
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="maps")(image)
    keras.Model(image, maps).save(folder / "my nets" / "own.keras")
    done = deepdream("visualize", "my nets/own.keras", "maps", "--channel", 1, "--side", 32, "--steps", 1)
    assert done.returncode == 0, done.stderr
    line = shlex.split(done.stdout.split("Make it again:  ")[1])
    assert "the same in every pixel" in deepdream(*line[line.index("replay"):]).stdout


# Names -------------------------------------------------------------------------------------------

def test_names_in_any_encoding_and_what_is_printed_can_be_pasted(folder):
    (folder / ODD).mkdir()
    (folder / "cat.jpg").rename(folder / ODD / f"{ODD}.jpg")
    run = dict(cwd=folder / ODD, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    done = subprocess.run([*COMMAND, "fast", f"{ODD}.jpg", "--max-side", "64"], **run)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    line = done.stdout.split(b"Make it again:  ")[1].strip()
    again = subprocess.run(line, shell=True, **run)
    assert b"the same in every pixel" in again.stdout, again.stderr
    assert not (folder / ODD / "x").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_any_name_is_printed_as_its_bytes(folder, monkeypatch, encoding):
    names = [f"{ODD}.jpg", "caf\u00e9 \u5922.jpg"]
    for name in names: (folder / name).write_bytes((folder / "cat.jpg").read_bytes())
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO(), encoding))
    monkeypatch.chdir(folder)
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for name in (*names, f"no {ODD}.jpg"):
        monkeypatch.setattr(sys, "argv", ["deepdream", "fast", name, "--max-side", "64"])
        with pytest.raises(SystemExit): main()
    for one, handler in before.items(): signal.signal(one, handler)
    sys.stdout.flush()
    sys.stderr.flush()
    said, complained = (stream.buffer.getvalue() for stream in (sys.stdout, sys.stderr))
    for name in names:
        parts = [letter.encode(encoding, "any name") for letter in name]  # bytes where it is no letter
        assert b"".join(parts).removesuffix(b".jpg") in said, said
    assert complained.count(b"\n") == 1 and complained.startswith(b"deepdream: there is no file"), complained


def test_folders_of_names_in_any_encoding(folder):
    (folder / "photos" / ODD).mkdir()
    save_image(load_image(folder / "cat.jpg"), folder / "photos" / ODD / f"{ODD}.png")
    assert part_of(f"{ODD}/{ODD}.png") in ("train", "validation", "test")
    parts = ("train", "validation", "test")
    found = [path for part in parts for path in part_pictures(folder / "photos", part)]
    assert len(found) == 3
    paths = tuple(path for path, in found)
    assert len(_digest({"train": Photos(paths, np.zeros(3, int), ("a",))})) == 64


def test_a_working_directory_that_is_gone(folder):
    gone = folder / "gone"
    code = (f"import os, sys; os.mkdir({str(gone)!r}); os.chdir({str(gone)!r}); os.rmdir({str(gone)!r});"
            f"sys.argv = ['deepdream', 'fast', {str(folder / 'cat.jpg')!r}, *sys.argv[1:]];"
            "from deepdream_nb.apps.cli import main; main()")
    def run(*more):
        line = [sys.executable, "-c", code, *map(str, more)]
        return subprocess.run(line, capture_output=True, text=True)
    done = run("--out", folder / "made.png")
    assert done.returncode == 0 and (folder / "made.png").is_file(), done.stderr
    one_line(run(), "deepdream: ")


def test_a_blank_that_is_not_quoted_gets_one_helpful_sentence(deepdream, folder):
    (folder / "cat.jpg").rename(folder / "my old cat.jpg")
    for line in (("dream", "my", "old", "cat.jpg"), ("style", "my", "old", "cat.jpg", "cup.png"),
                 ("fast", "my", "old", "cat.jpg")):
        one_line(deepdream(*line), "a name with blanks is put in quotes: 'my old cat.jpg'")

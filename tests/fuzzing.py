"""Damaged files for everything that reads strangers' files: `python tests/fuzzing.py --count 20000`

Each reader gets its share, mutations of sound files. It may return something, or raise one sentence of ours,
within 20 seconds and 4 GB, without a new file anywhere near. A failure names the seed that repeats it:
`python tests/fuzzing.py --reader picture --seed 123 --count 1`.
"""
import argparse
import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from deepdream_nb.films import _open_film
from deepdream_nb.filters import load_filter
from deepdream_nb.gan import load_gan
from deepdream_nb.images import data_folder, load_image, read_note, sample, save_image
from deepdream_nb.networks import load_network, tensorflow
from deepdream_nb.objectives import parse
from deepdream_nb.recipes import Recipe, load_recipe
from deepdream_nb.records import Checkpoint, Record, read_checkpoint, read_record, record_text, recipe_text
from deepdream_nb.workshop.archives import Refused, archive_files, read_found
from deepdream_nb.workshop.files import DeepDreamError, read_log
from deepdream_nb.workshop.film_files import save_film

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def mutated(data, rng, others=()):
    "Bytes with a few things changed: flipped, cut, said twice, numbers at extremes, pieces of others."
    data = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if not data: break
        place, how = int(rng.integers(len(data))), rng.integers(8)
        end = place + int(rng.integers(1, 40))
        if how == 0: data[place] = int(rng.integers(256))
        elif how == 1: data[place] ^= 1 << int(rng.integers(8))
        elif how == 2: del data[place:end]
        elif how == 3: data[place:place] = data[place:end]
        elif how == 4:
            number = struct.pack(rng.choice(["<I", ">I", "<H", ">H"]), 0)
            value = int(rng.choice(NUMBERS)) & (256 ** len(number) - 1)
            data[place:place + len(number)] = value.to_bytes(len(number), rng.choice(["little", "big"]))
        elif how == 5: del data[place:len(data) if rng.random() < 0.3 else place + 2]
        elif how == 6 and others:
            other = others[int(rng.integers(len(others)))]
            start = int(rng.integers(len(other) or 1))
            data[place:end] = other[start:start + 200]
        else: data[place:end] = rng.bytes(end - place)
    return bytes(data)


WORDS = ["null", "NaN", "-1e999", "1e400", "9" * 400, "[]", "{}", '""', "true", '"\\u001b[31m"', "-1",
         '"../../x"', '"layer(\\"fire3\\")"', "[" * 300, '"a" ' * 50]


def mutated_text(text, rng):
    "A JSON text with values replaced, or some of it left out or said twice."
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(text) + 1))
        end = place + int(rng.integers(0, 12))
        text = text[:place] + str(rng.choice([*WORDS, text[place:end] * 2, ""])) + text[end:]
    return text


@cache
def cat(): return load_image(sample("cat"), max_side=40)


def encoded(format, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray((cat() * 255).astype("uint8")).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


@cache
def pictures():
    "Sound pictures of many formats, with EXIF data, profiles and several frames, as bytes."
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    plain = ("BMP", "TGA", "PPM", "PCX", "SGI", "JPEG2000", "QOI", "DDS", "ICO", "AVIF")
    found = [encoded(format) for format in plain]
    found += [encoded(format, exif=exif) for format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    found += [encoded("PNG", mode) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    found += [encoded("TIFF", "CMYK", compression=one) for one in ("tiff_lzw", "tiff_deflate", "jpeg")]
    more = [Image.new("RGB", cat().shape[1::-1], shade) for shade in ("lime", "blue")]
    found += [encoded(format, save_all=True, append_images=more) for format in ("GIF", "WEBP", "PNG", "TIFF")]
    if "HEIF" in Image.SAVE: found.append(encoded("HEIF"))
    return found


def read_picture(data, folder, rng):
    load_image(data)
    read_note(data)


@cache
def notes():
    "Pictures that carry records, by their ending."
    with tempfile.TemporaryDirectory() as folder:
        note = record_text(Record(Recipe(), "f" * 64, "0" * 64, (3, 5), {"keras": "3"}, {"guide": "1"}))
        return {ending: save_image(cat(), f"{folder}/a{ending}", note=note).read_bytes()
                for ending in (".png", ".jpg", ".webp")}


def read_recipe(data, folder, rng):
    way = rng.integers(3)
    if way == 0:  # a text in a sound picture
        note = record_text(Record(Recipe(), "f" * 64, "0" * 64, (3, 5), {"keras": "3"}, {"guide": "1"}))
        ending = str(rng.choice([".png", ".jpg", ".webp"]))
        path = save_image(cat()[:8, :8], folder / f"a{ending}", note=mutated_text(note, rng))
        read_record(path)
    elif way == 1:  # a damaged picture with a sound text
        ending = str(rng.choice([*notes()]))
        (folder / f"a{ending}").write_bytes(mutated(notes()[ending], rng))
        read_record(folder / f"a{ending}")
    else:
        text = mutated_text(recipe_text(Recipe()), rng)
        (folder / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        parse(load_recipe(folder / "a.json").objective)


@cache
def own_network():
    "The bytes of a small network as a .keras file."
    tensorflow()
    import keras
    x = image = keras.Input((None, None, 3))
    for count in (4, 6):
        x = keras.layers.Conv2D(count, 3, padding="same", activation="relu")(x)
        x = keras.layers.BatchNormalization()(x)
    with tempfile.TemporaryDirectory() as folder:
        keras.Model(image, keras.layers.MaxPooling2D()(x)).save(f"{folder}/a.keras")
        return Path(folder, "a.keras").read_bytes()


def read_network(data, folder, rng):
    if rng.random() < 0.5: data = mutated(own_network(), rng)
    else:  # a sound archive with another network in it
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(own_network())) as old, zipfile.ZipFile(buffer, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name.endswith(".json"): content = mutated_text(content.decode(), rng).encode()
                elif rng.random() < 0.3: content = mutated(content, rng)
                new.writestr(name if rng.random() < 0.95 else f"../../{name}", content)
        data = buffer.getvalue()
    (folder / "a.keras").write_bytes(data)
    load_network(str(folder / "a.keras"))


@cache
def small_files(kind): return sorted((data_folder() / kind).glob("*"))[0].read_bytes()


def packed(whole, rng):
    "A card and weights (an .npz archive) with one of them changed, or the archive itself damaged."
    if rng.random() < 0.4: return mutated(whole, rng)
    with np.load(io.BytesIO(whole)) as found: arrays = {name: found[name] for name in found.files}
    card = mutated_text(str(arrays["card"]), rng) if rng.random() < 0.7 else str(arrays["card"])
    name = str(rng.choice(sorted(set(arrays) - {"card"})))
    if rng.random() < 0.5: arrays[name] = arrays[name].ravel()[:int(rng.integers(1, 9))]
    elif rng.random() < 0.2: arrays[name] = np.array([{"code": 1}], object)
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, "card": card})
    return buffer.getvalue()


def read_filter(data, folder, rng):
    (folder / "a.filter").write_bytes(packed(small_files("filters"), rng))
    load_filter(folder / "a.filter")


def read_gan(data, folder, rng):
    (folder / "a.gan").write_bytes(packed(small_files("gans"), rng))
    load_gan(folder / "a.gan")


@cache
def archives():
    "Archives of many kinds, one in another, as (ending, bytes)."
    found, jpeg = [], encoded("JPEG")
    for ending, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tar.bz2", "w:bz2"), (".tar.xz", "w:xz")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:
            for name in ("cat/a.jpg", "../b.jpg", "/c.jpg", "cat/link", *("more.tar",) * bool(found)):
                info = tarfile.TarInfo(name)
                if name.endswith("link"): info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                content = found[0][1] if name == "more.tar" else jpeg
                info.size = 0 if name.endswith("link") else len(content)
                archive.addfile(info, io.BytesIO(content))
        found.append((ending, buffer.getvalue()))
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", how) as archive:
            for name in ("cat/a.jpg", "../b.jpg"): archive.writestr(name, jpeg)
            archive.writestr("more.tar", found[0][1])
        found.append((".zip", buffer.getvalue()))
    return found


def read_archive(data, folder, rng):
    ending, whole = archives()[int(rng.integers(len(archives())))]
    (folder / f"a{ending}").write_bytes(mutated(whole, rng))
    for place, size, opener in archive_files(folder / f"a{ending}"):
        try: read_found(place, size, opener)
        except Refused as error: check_sentence(error)


@cache
def films():
    "Films as (ending, bytes)."
    frames = [cat()[:24, k:k + 24] for k in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        kinds = (".mp4", ".gif", ".webp")
        return [(ending, save_film(frames, f"{folder}/a{ending}").read_bytes()) for ending in kinds]


def read_film(data, folder, rng):
    ending, whole = films()[int(rng.integers(len(films())))]
    (folder / f"a{ending}").write_bytes(mutated(whole, rng))
    with _open_film(folder / f"a{ending}") as (frames, count, about):
        for frame in frames: load_image(np.asarray(frame) if isinstance(frame, np.ndarray) else frame)


@cache
def checkpoint():
    with tempfile.TemporaryDirectory() as folder:
        state = Checkpoint(f"{folder}/a.part", Record(Recipe(), "f", "0", (3, 5), {}))
        state.keep(2, 7, cat())
        state.save()
        return Path(folder, "a.part").read_bytes()


def read_state(data, folder, rng):
    if rng.random() < 0.5:
        (folder / "a.part").write_bytes(mutated(checkpoint(), rng))
        read_checkpoint(folder / "a.part")
    else:
        line = json.dumps({"name": "a.png", "status": "done"}) + "\n"
        (folder / "manifest.jsonl").write_bytes(mutated(line.encode() * 3, rng))
        read_log(folder / "manifest.jsonl", "name")


READERS = {  # and the share of all inputs that each gets: those that start other programs are slow
    "picture": (read_picture, 0.50), "recipe": (read_recipe, 0.19), "archive": (read_archive, 0.15),
    "state": (read_state, 0.08), "filter": (read_filter, 0.03), "gan": (read_gan, 0.02),
    "film": (read_film, 0.02), "network": (read_network, 0.01),
}


def check_sentence(error):
    said = str(error)
    assert said.isprintable() and 10 < len(said) < 1100, said


def _too_long(signum, frame): raise TimeoutError("more than 20 seconds")


def try_one(reader, seed, folder):
    "Give a reader the input of a seed; raises whatever is not one sentence of ours. Did it read something?"
    rng, read = np.random.default_rng([seed, *reader.encode()]), READERS[reader][0]
    data = pictures()[int(rng.integers(len(pictures())))] if reader == "picture" else b""
    around = {path.name for path in folder.parent.iterdir()}
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(20)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(mutated(data, rng, pictures()) if data else b"", folder, rng)
        return True
    except DeepDreamError as error: check_sentence(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        assert {path.name for path in folder.parent.iterdir()} == around, "a file outside"
        for path in folder.iterdir(): path.unlink()
    return False


def try_many(reader, first, count):
    "Try inputs of so many seeds; prints how many, and each failure."
    read = failed = 0
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer, "inner")
        folder.mkdir()
        os.chdir(folder)
        for seed in range(first, first + count):
            print(f"\r{reader} {seed}", end="", file=sys.stderr, flush=True)
            try: read += try_one(reader, seed, folder)
            except BaseException as error:
                failed += 1
                print(f"\n{reader}, seed {seed}: {type(error).__name__}: {error}", flush=True)
                if isinstance(error, KeyboardInterrupt): raise
        os.chdir("/")
    refused = count - read - failed
    print(f"{reader}: {count} inputs, {read} were read, {refused} were refused, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=[*READERS])
    given = parser.parse_args()
    if given.reader:
        tensorflow()
        resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, 4 * 2**30))
        sys.exit(min(1, try_many(given.reader, given.seed, given.count)))
    status = 0
    for reader, (_, share) in READERS.items():  # a process each, so that a crash is noticed
        count = max(1, round(share * given.count))
        line = [sys.executable, __file__, "--reader", reader]
        line += ["--seed", str(given.seed), "--count", str(count)]
        done = subprocess.run(line, stderr=subprocess.PIPE, text=True)
        print(done.stderr[-300:] if done.returncode not in (0, 1) else "", end="")  # it crashed
        status |= done.returncode != 0
    sys.exit(status)

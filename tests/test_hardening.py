"""What strangers may hand over: odd arrays, damaged pictures, hostile recipes; and stops and second processes at the wrong moment."""
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image, ImageCms

from deepdream_nb.images import load_image, resize, sample, save_image, to_picture
from deepdream_nb.recipes import Recipe, recipe_text

photo = load_image(sample("cat"), max_side=48)


# Pictures -----------------------------------------------------------------------------------------------------------

def encoded(format, mode="RGB", **options):
    "The small photo as the bytes of a file."
    buffer = io.BytesIO()
    to_picture(photo).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, *chunks):
    "The bytes of a PNG file, put together by hand."
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def tiff(width, height, **tags):
    "The bytes of a little-endian TIFF of one strip; `tags` as t<number>=(type, value)."
    wanted = {256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1), 278: (4, height), 279: (4, 16), **{int(name[1:]): tag for name, tag in tags.items()}}
    entries = b"".join(struct.pack("<HHII", number, kind, 1, value) for number, (kind, value) in sorted(wanted.items()))
    return b"II*\0" + struct.pack("<I", 24) + bytes(range(16)) + struct.pack("<H", len(wanted)) + entries + bytes(4)


def flipped(data, rng, count=6):
    "The bytes with some bits turned over."
    damaged = bytearray(data)
    for place in rng.integers(8, len(data), count): damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def exif(*entries, after=b""):
    "An EXIF block of entries (tag, type, count, value)."
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4) + after


def animated(format, mode="RGB"):
    frames = [Image.new(mode, (20, 20), shade) for shade in ("red", "lime", "blue")] if mode == "RGB" else [Image.new(mode, (20, 20), shade) for shade in (1, 2, 3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def picture_of(array, mode=None, format="TIFF", **options):
    buffer = io.BytesIO()
    (array if isinstance(array, Image.Image) else Image.fromarray(array, mode)).save(buffer, format, **options)
    return buffer.getvalue()


def zipped(name, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive: archive.writestr(name, data)
    return buffer.getvalue()


def odd_pictures():
    "Malformed and unusual picture files, {name: bytes}; the same ones every time."
    rng, grey = np.random.default_rng(2015), np.linspace(0, 1, 256, dtype="float32").reshape(16, 16)
    jpeg, palette = encoded("JPEG"), to_picture(photo).convert("P")
    lab = Image.merge("LAB", [Image.fromarray(np.full((9, 9), value, "uint8")) for value in (130, 128, 128)])
    found = {}
    for format, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("TIFF", "tif"), ("BMP", "bmp")):
        data = encoded(format)
        found |= {f"half.{ending}": data[:len(data) // 2], f"flipped.{ending}": flipped(data, rng), f"header-flipped.{ending}": data[:8] + flipped(data[8:60], rng, 3) + data[60:]}
    found |= {
        "png-named.jpg": encoded("PNG"), "jpeg-named.png": jpeg, "no-ending": jpeg, "empty.png": b"", "one-byte.jpg": b"\xff", "signature-only.png": b"\x89PNG\r\n\x1a\n", "zeros.jpg": bytes(65536), "noise.png": rng.bytes(20_000),
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02D\x01\0;",
        "bomb.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        "bomb.tif": tiff(2**31 - 1, 2**31 - 1), "strip-outside.tif": tiff(4, 4, t273=(4, 2**31)), "no-samples.tif": tiff(4, 4, t277=(3, 0)), "deflated-nothing.tif": tiff(4, 4, t259=(3, 8)), "sound-by-hand.tif": tiff(4, 4),
        "bomb.jpg": jpeg[:jpeg.index(b"\xff\xc0") + 5] + struct.pack(">HH", 65500, 65500) + jpeg[jpeg.index(b"\xff\xc0") + 9:],
        "no-height.jpg": jpeg[:jpeg.index(b"\xff\xc0") + 5] + bytes(2) + jpeg[jpeg.index(b"\xff\xc0") + 7:],
        "wide-bomb.png": png(2**31 - 1, 1, 8, 2, bytes(100)), "no-width.png": png(0, 5, 8, 2, bytes(100)), "text-bomb.png": png(2, 2, 8, 2, bytes(14), chunk(b"zTXt", b"deepdream\0\0" + zlib.compress(bytes(10**8), 9))),
        "icc-bomb.png": png(2, 2, 8, 2, bytes(14), chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**8), 9))), "itxt-bomb.png": png(2, 2, 8, 2, bytes(14), chunk(b"iTXt", b"deepdream\0\x01\0\0\0" + zlib.compress(bytes(10**8), 9))),
        "too-much-data.png": png(2, 2, 8, 2, bytes(10**7)), "long-chunk.png": encoded("PNG")[:33] + b"\xff\xff\xff\xf0IDAT" + bytes(50), "depth-5.png": png(4, 4, 5, 2, bytes(80)),
        "exif-noise.jpg": encoded("JPEG", exif=b"Exif\0\0" + rng.bytes(300)), "exif-short.jpg": encoded("JPEG", exif=b"Exif\0\0II"), "exif-99.jpg": encoded("JPEG", exif=exif((0x112, 3, 1, 99))),
        "exif-text.jpg": encoded("JPEG", exif=exif((0x112, 2, 4, 0x363636))), "exif-circle.jpg": encoded("JPEG", exif=exif((0x8769, 4, 1, 8), (0x112, 3, 1, 6))), "exif-far.jpg": encoded("JPEG", exif=exif((0x112, 3, 1000, 2**31))),
        "exif-noise.png": encoded("PNG", exif=b"Exif\0\0" + rng.bytes(300)), "exif-noise.webp": encoded("WEBP", exif=b"Exif\0\0" + rng.bytes(300)),
        "icc-noise.jpg": encoded("JPEG", icc_profile=rng.bytes(3000)), "icc-of-lab.png": encoded("PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()), "icc-half.png": encoded("PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()[:200]),
        "index-outside.png": png(4, 4, 8, 3, b"".join(b"\0" + bytes([0, 1, 200, 255]) for _ in range(4)), chunk(b"PLTE", bytes(6))), "no-palette.png": png(4, 4, 8, 3, bytes(20)), "odd-palette.png": png(4, 4, 8, 3, bytes(20), chunk(b"PLTE", bytes(7))),
        "long-transparency.png": png(4, 4, 8, 3, bytes(20), chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(300))), "short-transparency.png": png(4, 4, 8, 2, bytes(52), chunk(b"tRNS", b"\0")), "clear-palette.gif": picture_of(palette, format="GIF", transparency=3), "clear-bits.png": picture_of(palette, format="PNG", bits=2, transparency=b"\0\x80"),
        "animated.gif": animated("GIF"), "animated.webp": animated("WEBP"), "animated.png": animated("PNG"), "pages.tif": animated("TIFF"), "many.gif": animated("GIF", "P") + b";",
        "cmyk.jpg": encoded("JPEG", "CMYK"), "cmyk.tif": encoded("TIFF", "CMYK"), "grey-16.png": picture_of((grey * 65535).astype("uint16"), format="PNG"), "one-bit.png": encoded("PNG", "1"), "one-bit.tif": encoded("TIFF", "1", compression="group4"), "lab.tif": picture_of(lab),
        "ycbcr.tif": encoded("TIFF", "YCbCr"), "hsv.tif": picture_of(to_picture(photo).convert("RGBA"), compression="tiff_lzw"), "grey-alpha.png": encoded("PNG", "LA"), "premultiplied.tif": tiff(2, 2, t258=(3, 8), t277=(3, 4), t262=(3, 2), t338=(3, 1)), "float.tif": picture_of(grey), "float-nan.tif": picture_of(np.full((4, 4), np.nan, "float32")), "float-large.tif": picture_of(grey * 255), "int-negative.tif": picture_of(np.full((4, 4), -5, "int32")),
        "int-large.tif": picture_of(np.full((4, 4), 2**31 - 1, "int32")), "grey-16.ppm": b"P6 2 2 65535\n" + bytes(24), "text.pgm": b"P2 2 2 9\n1 2 3 x", "bitmap.xbm": b"#define x_width 8\n#define x_height 8\nstatic char x_bits[] = {0,0};", "icon.ico": encoded("ICO"),
        "svg.jpg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>', "pdf.jpg": encoded("PDF"), "html.jpg": b"<!doctype html><title>404</title>", "zip.jpg": zipped("cat.jpg", jpeg), "script.png": b"#!/bin/sh\nexit 1\n", "pickle.png": b"\x80\x04cos\nsystem\n(Vtrue\ntR.",
        "endless.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n", "eps.jpg": encoded("EPS"),
        "name\nof two lines \x1b[31m.png": b"no picture", "n" * 200 + ".png": b"no picture",
    }
    return found


LOAD = """
import json, os, resource, sys, time, warnings
warnings.simplefilter("error", RuntimeWarning)
from deepdream_nb.images import DeepDreamError, load_image, read_note
import numpy as np, signal
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
for path in sys.argv[1:]:
    for action in (load_image, read_note):
        start = time.monotonic()
        signal.alarm(20)
        try:
            made = action(path)
            if action is load_image:
                assert made.dtype == np.float32 and made.ndim == 3 and made.shape[-1] == 3 and np.isfinite(made).all() and 0 <= made.min() <= made.max() <= 1
                made = list(made.shape)
            else: assert made is None or isinstance(made, str)
            result = ["made", made]
        except DeepDreamError as error: result = ["error", str(error)]
        except BaseException as error: result = ["broken", repr(error)]
        print(json.dumps([path, action.__name__, *result, time.monotonic() - start]), flush=True)
"""


# Stops -------------------------------------------------------------------------------------------------------------

SEED = int(os.environ.get("DEEPDREAM_SEED") or time.time())  # of the moments; a failure names it
COMMAND = "from deepdream_nb.command import main; main()"     # as the installed script does


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    "A folder with photos of two kinds, some of them in one shape, and short recipes."
    folder = tmp_path_factory.mktemp("album")
    for number, name in enumerate(("cat", "coffee", "astronaut", "rocket", "raccoon", "hubble") * 4):
        (folder / "photos" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        save_image(np.clip(resize(load_image(sample(name)), (64, 64)), 0, 1)[:, ::1 - 2 * (number > 11)], folder / "photos" / "ab"[number % 2] / f"{name}{number}.png")
    save_image(load_image(sample("cat"), max_side=120), folder / "cat.jpg")
    (folder / "short.json").write_text(recipe_text(Recipe(objective='layer("fire3")', octaves=1, steps=8)))
    return folder


LONG_COMMANDS = {
    "dream": ("dream", "cat.jpg", "--steps", "40"),
    "zoom": ("zoom", "cat.jpg", "--frames", "12", "--out", "cat.gif"),
    "style": ("style", "cat.jpg", "photos/a/cat0.png", "--steps", "15"),
    "dataset": ("dataset", "photos", "pairs", "--recipe", "short.json", "--size", "64", "--batch", "2"),
    "retrain": ("retrain", "photos", "--size", "48", "--layer", "fire4", "--epochs", "2"),
    "train-filter": ("train-filter", "short.json", "photos", "--steps", "12", "--batch", "2"),
    "fast": ("fast", "photos", "--out", "fast"),
}


def begin(folder, arguments):
    "Start the command in a process; returns when it has come so far as to meet signals."
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell that runs the tests in the background has it ignored
    def met(): return int(re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())[1], 16) >> (signal.SIGTERM - 1) & 1
    while not met(): assert process.poll() is None
    return process


def half_written(folder):
    "The files of a folder that are neither whole nor there before."
    bad = []
    for path in folder.rglob("*"):
        try:
            if path.is_dir() or path.suffix in (".txt", ".jsonl") or path.name == ".lock": continue
            if path.suffix == ".json": json.loads(path.read_text())
            elif path.suffix in (".keras", ".filter", ".part"): assert zipfile.ZipFile(path).testzip() is None
            elif path.suffix == ".h5": h5py.File(path).close()
            elif path.suffix == ".gif": assert Image.open(path).n_frames == 12
            else: load_image(path)
            assert not path.name.startswith(".")
        except Exception as error: bad.append(f"{path.name} ({error!r})")
    return bad


def stop(process, signum, seconds):
    "Send a signal after so many seconds; returns the exit status and what was said on standard error."
    try: process.wait(seconds)
    except subprocess.TimeoutExpired: process.send_signal(signum)
    try: error = process.communicate(timeout=60)[1]
    finally: process.kill()
    return process.returncode, error

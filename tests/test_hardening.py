"""What strangers may hand over: odd arrays, damaged pictures, hostile recipes."""
import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
import zlib
from dataclasses import fields

import numpy as np
import pytest
from fuzzing import READERS, try_many
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from deepdream_nb.filters import load_filter
from deepdream_nb.guides import diversity, dot, filters, masked, transport
from deepdream_nb.images import (ImageError, check_image, data_folder, load_image, read_note, sample,
                                 save_image, to_picture)
from deepdream_nb.networks import tensorflow
from deepdream_nb.objectives import (ObjectiveError, channel, channels, direction, layer, logit, neuron,
                                     parse, total_variation)
from deepdream_nb.recipes import Checkpoint, Recipe, load_recipe, network_for, read_checkpoint
from deepdream_nb.records import (Record, parse_json, read_record, recipe_from, recipe_text, record_from,
                                  record_text)
from deepdream_nb.style import StyleRecipe, content, style
from deepdream_nb.workshop.archives import Refused, archive_files, read_found
from deepdream_nb.workshop.files import DeepDreamError

photo = load_image(sample("cat"), max_side=48)


# Pictures -----------------------------------------------------------------------------------------

def encoded(format, mode="RGB", **options):
    "The small photo as the bytes of a file."
    buffer = io.BytesIO()
    to_picture(photo).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, *chunks):
    "The bytes of a PNG file, put together by hand."
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(
        b"IEND", b"")


def tiff(width, height, **tags):
    "The bytes of a little-endian TIFF of one strip; `tags` as t<number>=(type, value)."
    wanted = {256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8),
              277: (3, 1), 278: (4, height), 279: (4, 16),
              **{int(name[1:]): tag for name, tag in tags.items()}}
    entries = b"".join(struct.pack("<HHII", number, kind, 1, value)
                       for number, (kind, value) in sorted(wanted.items()))
    return b"II*\0" + struct.pack("<I",
                                  24) + bytes(range(16)) + struct.pack("<H", len(wanted)) + entries + bytes(4)


def flipped(data, rng, count=6):
    "The bytes with some bits turned over."
    damaged = bytearray(data)
    for place in rng.integers(8, len(data), count): damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def exif(*entries, after=b""):
    "An EXIF block of entries (tag, type, count, value)."
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H",
                                                    len(entries)) + b"".join(
                                                        struct.pack("<HHII", *entry)
                                                        for entry in entries) + bytes(4) + after


def animated(format, mode="RGB"):
    frames = [Image.new(mode, (20, 20), shade)
              for shade in ("red", "lime", "blue")] if mode == "RGB" else [
                  Image.new(mode, (20, 20), shade) for shade in (1, 2, 3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def picture_of(array, mode=None, format="TIFF", **options):
    buffer = io.BytesIO()
    (array
     if isinstance(array, Image.Image) else Image.fromarray(array, mode)).save(buffer, format, **options)
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
    for format, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("TIFF", "tif"),
                           ("BMP", "bmp")):
        data = encoded(format)
        found |= {f"half.{ending}": data[:len(data) // 2], f"flipped.{ending}": flipped(data, rng),
                  f"header-flipped.{ending}": data[:8] + flipped(data[8:60], rng, 3) + data[60:]}
    found |= {
        "png-named.jpg": encoded("PNG"), "jpeg-named.png": jpeg, "no-ending": jpeg, "empty.png": b"",
        "one-byte.jpg": b"\xff", "signature-only.png": b"\x89PNG\r\n\x1a\n", "zeros.jpg": bytes(65536),
        "noise.png": rng.bytes(20_000),
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0,
                                            0) + bytes(6) + b"," + struct.pack(
                                                "<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02D\x01\0;",
        "bomb.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0,
                                        0, 0),
        "bomb.tif": tiff(2**31 - 1, 2**31 - 1), "strip-outside.tif": tiff(4, 4, t273=(4, 2**31)),
        "no-samples.tif": tiff(4, 4, t277=(3, 0)), "deflated-nothing.tif": tiff(4, 4, t259=(3, 8)),
        "sound-by-hand.tif": tiff(4, 4),
        "bomb.jpg": jpeg[:jpeg.index(b"\xff\xc0") + 5] + struct.pack(">HH", 65500, 65500) + jpeg[
            jpeg.index(b"\xff\xc0") + 9:],
        "no-height.jpg": jpeg[:jpeg.index(b"\xff\xc0") + 5] + bytes(2) + jpeg[jpeg.index(b"\xff\xc0") + 7:],
        "wide-bomb.png": png(2**31 - 1, 1, 8, 2, bytes(100)), "no-width.png": png(0, 5, 8, 2, bytes(100)),
        "text-bomb.png": png(2, 2, 8, 2, bytes(14),
                             chunk(b"zTXt", b"deepdream\0\0" + zlib.compress(bytes(10**8), 9))),
        "icc-bomb.png": png(2, 2, 8, 2, bytes(14), chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**8), 9))),
        "itxt-bomb.png": png(2, 2, 8, 2, bytes(14),
                             chunk(b"iTXt", b"deepdream\0\x01\0\0\0" + zlib.compress(bytes(10**8), 9))),
        "too-much-data.png": png(2, 2, 8, 2, bytes(10**7)),
        "long-chunk.png": encoded("PNG")[:33] + b"\xff\xff\xff\xf0IDAT" + bytes(50),
        "depth-5.png": png(4, 4, 5, 2, bytes(80)),
        "exif-noise.jpg": encoded("JPEG", exif=b"Exif\0\0" + rng.bytes(300)),
        "exif-short.jpg": encoded("JPEG", exif=b"Exif\0\0II"),
        "exif-99.jpg": encoded("JPEG", exif=exif((0x112, 3, 1, 99))),
        "exif-text.jpg": encoded("JPEG", exif=exif((0x112, 2, 4, 0x363636))),
        "exif-circle.jpg": encoded("JPEG", exif=exif((0x8769, 4, 1, 8), (0x112, 3, 1, 6))),
        "exif-far.jpg": encoded("JPEG", exif=exif((0x112, 3, 1000, 2**31))),
        "exif-noise.png": encoded("PNG", exif=b"Exif\0\0" + rng.bytes(300)),
        "exif-noise.webp": encoded("WEBP", exif=b"Exif\0\0" + rng.bytes(300)),
        "icc-noise.jpg": encoded("JPEG", icc_profile=rng.bytes(3000)),
        "icc-of-lab.png": encoded("PNG",
                                  icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(
                                      )),
        "icc-half.png": encoded("PNG",
                                icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(
                                    )[
                                    :200]),
        "index-outside.png": png(4, 4, 8, 3, b"".join(b"\0" + bytes([0, 1, 200, 255]) for _ in range(4)),
                                 chunk(b"PLTE", bytes(6))), "no-palette.png": png(4, 4, 8, 3, bytes(20)),
        "odd-palette.png": png(4, 4, 8, 3, bytes(20), chunk(b"PLTE", bytes(7))),
        "long-transparency.png": png(4, 4, 8, 3, bytes(20), chunk(b"PLTE", bytes(6)),
                                     chunk(b"tRNS", bytes(300))),
        "short-transparency.png": png(4, 4, 8, 2, bytes(52), chunk(b"tRNS", b"\0")),
        "clear-palette.gif": picture_of(palette, format="GIF", transparency=3),
        "clear-bits.png": picture_of(palette, format="PNG", bits=2, transparency=b"\0\x80"),
        "animated.gif": animated("GIF"), "animated.webp": animated("WEBP"), "animated.png": animated("PNG"),
        "pages.tif": animated("TIFF"), "many.gif": animated("GIF", "P") + b";",
        "cmyk.jpg": encoded("JPEG", "CMYK"), "cmyk.tif": encoded("TIFF", "CMYK"),
        "grey-16.png": picture_of((grey * 65535).astype("uint16"), format="PNG"),
        "one-bit.png": encoded("PNG", "1"), "one-bit.tif": encoded("TIFF", "1", compression="group4"),
        "lab.tif": picture_of(lab),
        "ycbcr.tif": encoded("TIFF", "YCbCr"),
        "hsv.tif": picture_of(to_picture(photo).convert("RGBA"), compression="tiff_lzw"),
        "grey-alpha.png": encoded("PNG", "LA"),
        "premultiplied.tif": tiff(2, 2, t258=(3, 8), t277=(3, 4), t262=(3, 2), t338=(3, 1)),
        "float.tif": picture_of(grey), "float-nan.tif": picture_of(np.full((4, 4), np.nan, "float32")),
        "float-large.tif": picture_of(grey * 255),
        "int-negative.tif": picture_of(np.full((4, 4), -5, "int32")),
        "int-large.tif": picture_of(np.full((4, 4), 2**31 - 1, "int32")),
        "grey-16.ppm": b"P6 2 2 65535\n" + bytes(24), "text.pgm": b"P2 2 2 9\n1 2 3 x",
        "bitmap.xbm": b"#define x_width 8\n#define x_height 8\nstatic char x_bits[] = {0,0};",
        "icon.ico": encoded("ICO"),
        "svg.jpg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image '
                   b'href="file:///etc/passwd"/></svg>', "pdf.jpg": encoded("PDF"),
        "html.jpg": b"<!doctype html><title>404</title>", "zip.jpg": zipped("cat.jpg", jpeg),
        "script.png": b"#!/bin/sh\nexit 1\n", "pickle.png": b"\x80\x04cos\nsystem\n(Vtrue\ntR.",
        "endless.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n",
        "eps.jpg": encoded("EPS"),
        "name\nof two lines \x1b[31m.png": b"no picture", "n" * 200 + ".png": b"no picture",
    }
    return found


LOAD = """
import json, resource, sys, warnings
warnings.simplefilter("error", RuntimeWarning)
from deepdream_nb.images import DeepDreamError, load_image, read_note
import numpy as np, signal
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
for path in sys.argv[1:]:
    for action in (load_image, read_note):
        signal.alarm(20)
        try:
            made = action(path)
            if action is load_image:
                assert made.dtype == np.float32 and made.ndim == 3 and made.shape[-1] == 3
                assert np.isfinite(made).all() and 0 <= made.min() <= made.max() <= 1
                made = list(made.shape)
            else: assert made is None or isinstance(made, str)
            result = ["made", made]
        except DeepDreamError as error: result = ["error", str(error)]
        except BaseException as error: result = ["broken", repr(error)]
        print(json.dumps([path, action.__name__, *result]), flush=True)
"""


ODD_PLACES = ("folder.png", "pipe.png", "to-nowhere.png", "circle.png", "device.png", "nothing.png",
              "m" * 300 + ".png", "~nobody-of-this-name/cat.png")


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    for name, data in odd_pictures().items(): (folder / name).write_bytes(data)
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    links = {"to-nowhere.png": "nowhere.png", "circle.png": "circle.png", "device.png": "/dev/zero"}
    for name, aim in links.items(): os.symlink(aim, folder / name)
    return folder


def test_every_odd_picture_loads_or_is_one_sentence(odd_folder):
    names = [*odd_pictures(), *ODD_PLACES]
    done = subprocess.run([sys.executable, "-c", LOAD, *names], cwd=odd_folder, capture_output=True,
                          text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 2 * len(names) and len(names) > 100, done.stderr
    assert not [entry for entry in found if entry[2] == "broken"]
    assert not [entry for entry in found if entry[2] == "error"
                and not (entry[3].isprintable() and 10 < len(entry[3]) < 1100)]
    made = {name: result for name, action, kind, result in found if (action, kind) == ("load_image", "made")}
    sound = ("exif-", "icc-noise", "icc-of", "icc-half", "animated", "cmyk", "grey-", "one-bit", "lab",
             "pages", "sound", "no-ending", "clear", "png-", "jpeg-", "ycbcr", "premult", "icon", "float.tif")
    # damaged EXIF data or profiles are no reason to refuse a picture
    assert {name for name in odd_pictures() if name.startswith(sound)} <= set(made)
    assert not [name for name in made if name in ODD_PLACES
                or name.startswith(("bomb", "svg", "pdf", "html", "zip", "script", "pickle", "endless", "eps",
                                    "empty", "noise", "name"))]
    assert made["animated.gif"] == made["pages.tif"] == [20, 20, 3] and made["exif-circle.jpg"] == [48, 32, 3]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_damage_to_any_format(data):
    format = data.draw(
        st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "ICO", "PPM", "TGA", "JPEG2000"]))
    whole = encoded(format,
                    **({"exif": exif((0x10E, 2, 4, 0x363636), (0x112, 3, 1, 6))}
                       if format in ("PNG", "JPEG", "WEBP") else {}))
    damaged = bytearray(whole)
    hit = st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(hit, min_size=1, max_size=8)): damaged[place] = value
    length = data.draw(st.one_of(st.just(len(whole)), st.integers(1, len(whole))))
    for action in (load_image, read_note):
        try: action(bytes(damaged[:length]))
        except ImageError as error: assert str(error).isprintable()


sides = st.one_of(st.tuples(st.integers(1, 60), st.integers(1, 60)),
                  st.tuples(st.integers(1, 5000), st.integers(1, 3)),
                  st.tuples(st.integers(1, 3), st.integers(1, 5000)))
number_kinds = ("uint8", "uint16", "uint32", "int8", "int64", "float16", "float32", "float64", "longdouble",
                "bool", "complex64", "object", "U1")


@settings(deadline=None, max_examples=200)
@given(sides, st.sampled_from([(), (1,), (2,), (3,), (4,)]), st.sampled_from(number_kinds),
       st.sampled_from(["fit", "large", "negative", "nan", "inf"]), st.integers(0, 2**32 - 1),
       st.one_of(st.none(), st.integers(1, 70)))
def test_any_array_is_an_image_or_one_sentence(size, colors, kind, values, seed, max_side):
    rng, shape = np.random.default_rng(seed), (*size, *colors)
    if "int" in kind:
        array = rng.integers(-99 if values == "negative" and kind.startswith("int") else 0,
                             np.iinfo(kind).max,
                             shape, kind, endpoint=True)
    else:
        array = rng.random(shape)
        array.flat[0] = {"fit": 1, "large": 1e30, "negative": -0.5, "nan": np.nan, "inf": -np.inf}[values]
        with np.errstate(over="ignore"): array = array.astype(kind)
    right = kind in ("uint8", "uint16", "uint32",
                     "bool") or values == "fit" and kind not in ("complex64", "object", "U1")
    try: image = load_image(array, max_side)
    except ImageError as error: assert str(error).isprintable() and (not right or colors == (2,))
    else:
        assert image.dtype == np.float32 and image.shape[2:] == (3,) and 0 <= image.min() <= image.max(
            ) <= 1 and colors != (2,)
        assert image.shape[:2] == size if not max_side or max(size) <= max_side else max(
            image.shape[:2]) == max_side and min(image.shape) > 0
        assert right or kind.startswith("int") or colors == (4,)  # what is clear may be anything


@settings(deadline=None, max_examples=60)
@given(sides, st.sampled_from([".png", ".jpg", ".webp"]), st.integers(0, 99),
       st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=300))
def test_any_image_and_note_come_back_from_their_file(tmp_path_factory, size, ending, seed, note):
    image = np.random.default_rng(seed).random((*size, 3)).astype("float32")
    path = save_image(image, tmp_path_factory.getbasetemp() / f"any{ending}", note=note)
    again = load_image(path)
    assert again.shape == image.shape and (read_note(path) or "") == note
    assert ending != ".png" or np.array_equal(again, load_image(to_picture(image)))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4), max_size=6), st.sampled_from(["float32", "float64", "int64", "bool"]))
def test_any_shape_is_an_image_a_batch_or_one_sentence(shape, kind):
    right = len(shape) in (3, 4) and shape[-1] == 3 and min(shape) > 0 and kind.startswith("float")
    try: assert check_image(np.ones(shape, kind)).shape == tuple(shape) and right
    except ImageError as error: assert str(error).isprintable() and not right


# Objectives and recipes ---------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8"), max_size=12)  # line ends, quotes, backslashes and all
numbers = st.one_of(st.integers(-10**25, 10**25), st.floats(-1e29, 1e29))
fractions = st.one_of(st.floats(0, 1), st.floats(0, 1, width=32).map(np.float32))
local_terms = st.one_of(
    st.builds(layer, names, st.sampled_from(["mean", "l2"])),
    st.builds(channel, names, st.integers(0, 10**30)),
    st.builds(lambda name, first, more: channels(name, first, first + more), names, st.integers(0, 10**6),
              st.integers(0, 10**6)),
    st.builds(direction, names, st.lists(numbers, min_size=1, max_size=4).filter(any)),
    st.builds(total_variation), st.builds(content, names, names),
    st.builds(filters, names, names, st.integers(1, 64)), st.builds(dot, names, names),
    st.builds(transport, names, names))
any_terms = st.one_of(local_terms, st.builds(neuron, names, st.integers(0, 999), fractions, fractions),
                      st.builds(logit, st.one_of(names, st.integers(0, 10**9))),
                      st.builds(style, names, names), st.builds(diversity, names),
                      st.builds(masked, local_terms, names))
objectives = st.recursive(any_terms,
                          lambda inner: st.one_of(st.builds(lambda a, b: a + b, inner, inner),
                                                  st.builds(lambda a, b: a - b, inner, inner),
                                                  st.builds(lambda a, number: number * a, inner,
                                                            st.floats(-1e60, 1e60))), max_leaves=6)


@settings(deadline=None, max_examples=150)
@given(objectives)
def test_any_objective_comes_back_from_its_text(objective):
    again = parse(repr(objective))
    assert again == objective and repr(again) == repr(objective)


def test_as_many_terms_as_allowed_come_back_from_their_text():
    many = sum([layer(f"a{number}") for number in range(499)], layer("b"))
    assert parse(repr(many)) == many
    with pytest.raises(ObjectiveError, match="at most 500 terms, not 501"): many + layer("c")


def mutated(data, text, pieces):
    "A text with some of it left out, said twice or replaced."
    for _ in range(data.draw(st.integers(1, 4))):
        place, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        text = text[:place] + data.draw(st.one_of(st.sampled_from(pieces), st.text(max_size=3),
                                                  st.just(text[place:end] * 2))) + text[min(end, place + 6):]
    return text


def read(function, *arguments):
    "The result of a reader, or None where it gives its one sentence."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # NumPy leaves a file that is none of its own to be closed by itself
        warnings.simplefilter("ignore", ResourceWarning)
        try: return function(*arguments)
        except DeepDreamError as error: assert str(error).isprintable() and 10 < len(str(error)) < 1100


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_text_is_an_objective_or_one_sentence(data):
    pieces = ["(", ")", "[", "]", "{", "layer", "masked(", "2 *", "**", "1e999", "-" * 50, '"', "'''", "\\d",
              "\0", "lambda: ", "f'{", ", *a", "**{'name': 1}", "None", "True", "1j", "#", "\n", "0x",
              "9" * 5000, "not ", "await ", "\ud800", ":=", " if 1 else ", "@"]
    text = data.draw(
        st.one_of(st.text(), st.builds(" ".join, st.lists(st.sampled_from(pieces), max_size=12)), st.none()))
    found = read(parse, text if text is not None else mutated(data, repr(data.draw(objectives)), pieces))
    assert found is None or parse(repr(found)) == found


TOO_MUCH = {
    "a text times a number": 'layer("a" * 10_000_000_000)',
    "a list times a number": 'direction("a", [1] * 10_000_000_000)',
    "a large weight": " * ".join(["9" * 4000] * 40) + " * layer('a')",
    "a large channel": f"channel('a', {'9' * 4000} * {'9' * 4000})",
    "a tower of powers": "9**9**9**9 * layer('a')", "brackets": "(" * 5000 + "layer('a')" + ")" * 5000,
    "calls": "masked(" * 5000 + "layer('a')" + ")" * 5000, "minus": "-" * 100_000 + "layer('a')",
    "a long sum": " + ".join(["layer('a')"] * 10_000),
    "a long name": f"layer('{'a' * 100_000}')", "a long word": "a" * 100_000 + "()",
    "a long comparison": "1" + "<1" * 90_000, "half a bracket": "{1:(" * 60 + "a b",
    "dots": "a" + ".a" * 90_000, "a long text": "layer('a')" + " " * 300_000,
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_would_take_too_much_is_one_sentence(text):
    assert read(parse, text) is None


def values_of(one):
    "What a setting may be, from its own description."
    known, kind = one.metadata, type(one.default)
    if known["many"] == "names": return st.just(())
    if known["choices"]: return st.sampled_from(known["choices"])
    number = (st.integers if kind is int else st.floats)(known["least"], known["most"])
    lists = st.lists(number, min_size=1, max_size=4).map(tuple)
    return st.one_of(number, lists) if known["many"] == "each" else number


def recipes_of(kind, **own):
    "Any recipe of a kind that is in range."
    found = {one.name: values_of(one) for one in fields(kind) if one.name not in ("network", "objective")}
    return st.fixed_dictionaries({**found, **own}).map(lambda chosen: kind(**chosen))


plain_names = names.filter(lambda name: not set(name) & set("/\\"))
tiles = st.one_of(st.just(0), st.integers(64, 8192))
shaken = st.sampled_from(["", "shift(8)", "pad(12), rotate(5), scale(0.9, 1.1), noise(0.02)"])
def any_dream(**fixed):
    "Any recipe of a dream with some settings fixed."
    fixed = {name: st.just(value) for name, value in fixed.items()}
    return recipes_of(Recipe, network=plain_names, objective=objectives.map(repr), tile=tiles,
                      transformations=shaken, smoothing=st.floats(0, 0.2), **fixed)


# waves have all sizes at once
any_recipe = st.one_of(any_dream(parameterization="pixels"),
                       any_dream(parameterization="fourier", octaves=1, blend=0.0))
any_style = recipes_of(StyleRecipe, network=plain_names,
                       objective=st.one_of(st.just(""), objectives.map(repr)))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(any_recipe, any_style), st.sampled_from([".png", ".jpg", ".webp"]))
def test_any_recipe_comes_back_from_json_and_from_a_picture(tmp_path_factory, recipe, ending):
    assert recipe_from(parse_json(recipe_text(recipe))) == recipe
    record = Record(recipe, "f" * 64, "0" * 64, (3, 5), {"keras": "3"}, {"guide2": "1" * 64})
    assert read_record(save_image(photo, tmp_path_factory.getbasetemp() / f"recipe{ending}",
                                  note=record_text(record))) == record


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
                                     st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3),
                            st.dictionaries(st.text(max_size=3), inner, max_size=3)), max_leaves=5)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.one_of(st.sampled_from([one.name for one in fields(Recipe)]), st.text(max_size=4)),
                       json_values, max_size=3))
def test_any_settings_are_a_recipe_or_one_sentence(found):
    made = read(recipe_from, found)
    assert made is None or recipe_from(parse_json(recipe_text(made))) == made


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_text_in_a_picture_is_a_record_or_one_sentence(data):
    pieces = ['"', "{", "}", "[", "]", ":", "null", "NaN", "-1e999", "1e400", "9" * 5000, '"steps": 3',
              "\\u0000", '"kind": []', '"\\u001b[31m"', "../"]
    note = record_text(Record(Recipe(), "f", "0", (3, 5), {"keras": "3"}, {"guide": "1"}))
    made = read(record_from, mutated(data, note, pieces), "cat.png")
    assert made is None or record_from(record_text(made), "cat.png") == made


def noted(**changes):
    "A picture's bytes whose record holds other things than it should."
    record = json.loads(record_text(Record(Recipe(), "f", "0", (3, 5), {"keras": "3"}, {})))
    for key, value in changes.items(): (record["recipe"] if key in record["recipe"] else record)[key] = value
    text = PngImagePlugin.PngInfo()
    text.add_itxt("deepdream", json.dumps(record))
    return encoded("PNG", pnginfo=text)


HOSTILE = {
    "huge.json": b'{"steps": 1e99}', "endless.json": b'{"octave_scale": Infinity}',
    "digits.json": b'{"seed": 1' + b"0" * 400 + b"}", "more-digits.json": b'{"seed": 1' + b"0" * 9000 + b"}",
    "half.json": b'{"octaves": 2.5}',
    "outside.json": b'{"network": "../../../../etc/passwd"}',
    "outside2.json": b'{"network": "../../../root/model.keras"}',
    "web.json": b'{"network": "https://example.org/model.keras"}',
    "long.json": b'{"network": "' + b"a" * 10**5 + b'"}', "unknown.json": b'{"octave": 3}',
    "dunder.json": b'{"__class__": "os.system"}',
    "deep.json": b'{"objective": "' + b"masked(" * 20_000 + b'"}',
    "deep-json.json": b'{"steps":' + b"[" * 10**5,
    "filling.json": b'{"objective": "layer(\\"a\\" * 10000000000)"}',
    "code.json": b'{"objective": "__import__(\\"os\\").system(\\"true\\")"}',
    "types.json": b'{"steps": {"a": 1}}', "list.json": b"[1]", "null.json": b'{"objective": null}',
    "twice.json": b'{"steps": 3, "steps": 4}', "enormous.json": b'{"steps": 3' + b" " * 3 * 10**6 + b"}",
    "latin.json": b'{"network": "\xe9"}', "not.json": b"\0\xff",
    "utf-16.json": '{"steps": 3}'.encode("utf-16"),
    "bomb.png": png(2, 2, 8, 2, bytes(14),
                    chunk(b"iTXt",
                          b"deepdream\0\x01\0\0\0" + zlib.compress(b'{"deepdream": 1' + b" " * 10**8, 9))),
    "many-bombs.png": png(2, 2, 8, 2, bytes(14),
                          *[chunk(b"zTXt", b"deepdream\0\0" + zlib.compress(b" " * 10**6, 9))] * 90),
    "number.jpg": encoded("JPEG", exif=exif((0x10E, 3, 1, 7))),
    "comment.jpg": encoded("JPEG", comment=zlib.compress(bytes(10**7))),
    "kind.png": noted(kind=["dream"]), "escape.png": noted(versions={"keras": "\x1b[31m"}),
    "sizes.png": noted(photo_size=["a", None]), "folder.png": noted(network="../../secret.keras"),
    "share.png": noted(network="\\\\host\\share\\a.keras"), "pictures.png": noted(pictures={"guide": 5}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_recipe_is_one_sentence(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(HOSTILE[name])
    tensorflow()  # imported before what is measured
    tracemalloc.start()
    try:
        with pytest.raises(DeepDreamError) as caught: network_for(load_recipe(name))
        most = tracemalloc.get_traced_memory()[1]
    finally: tracemalloc.stop()
    assert str(caught.value).isprintable() and 10 < len(str(caught.value)) < 500
    assert most < 200e6 and os.listdir(tmp_path) == [name]


def test_damaged_checkpoints_and_filters_are_one_sentence(tmp_path):
    state = Checkpoint(tmp_path / "cat.part", Record(Recipe(), "f", "0", (3, 5), {}))
    state.keep(2, 7, photo)
    state.save()
    rng, whole, swirls = np.random.default_rng(7), (tmp_path / "cat.part").read_bytes(), (
        data_folder() / "filters" / "swirls.filter").read_bytes()
    for number in range(40):
        data, reader, name = (whole, read_checkpoint,
                              "cat.part") if number % 2 else (swirls, load_filter, "cat.filter")
        (tmp_path / name).write_bytes(flipped(data, rng, 40)
                                      if number % 3 else data[:int(rng.integers(1, len(data)))] + rng.bytes(
                                          50))
        read(reader, tmp_path / name)
    with np.load(io.BytesIO(swirls)) as found: card = json.loads(str(found["card"]))
    for wrong in ({**card, "channels": [10**6] * 3}, {**card, "blocks": [10**9, 1, 1]},
                  {**card, "gains": None}, {}, []):
        np.savez(tmp_path / "card", card=json.dumps(wrong))
        (tmp_path / "card.npz").rename(tmp_path / "card.filter")
        assert read(load_filter, tmp_path / "card.filter") is None


FEW = {"picture": 60, "recipe": 40, "archive": 40, "state": 40, "filter": 12, "gan": 12, "film": 6,
       "network": 6}


@pytest.mark.parametrize("reader", READERS)
def test_a_few_mutations_of_sound_files(reader, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # which is left, and comes back
    assert not try_many(reader, 0, FEW[reader]), capsys.readouterr().out


def test_a_member_without_a_name_and_one_of_damaged_lzma_are_damaged(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped("name", b"picture").replace(b"name", b"\0ame"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive: archive.writestr("a.jpg", bytes(999))
    data = bytearray(packed.getvalue())
    data[45:50] = b"\xff" * 5  # within the member's packed bytes
    (tmp_path / "b.zip").write_bytes(data)
    for name in ("a.zip", "b.zip"):
        with pytest.raises(Refused, match="damaged archive"):
            for found in archive_files(tmp_path / name): read_found(*found)

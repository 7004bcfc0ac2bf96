"""Pictures that are damaged, hostile or written while something goes wrong."""
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from conftest import full_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from deepdream_nb.apps.cli import load_app
from deepdream_nb.datasets import count_photos, find_photos, photo_paths
from deepdream_nb.filters import FilterRecipe
from deepdream_nb.images import (
    ImageError, _grid_jpeg, load_image, load_pictures, load_with_alpha, read_note, sample, save_image,
    to_picture)
from deepdream_nb.recipes import Recipe, follow, make_dream, replay
from deepdream_nb.records import other_pictures, save_dream
from deepdream_nb.workshop.files import FileError, LeftOut

cat = load_image(sample("cat"), max_side=60)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_damage_is_an_image_error_or_a_picture(data):
    whole = sample("cat").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    put_in, cut_out = data.draw(st.binary(max_size=30)), data.draw(st.integers(0, 3000))
    damaged = whole[:place] + put_in + whole[place + cut_out:]
    try:
        image = load_image(damaged)
        assert image.ndim == 3 and image.shape[-1] == 3 and np.isfinite(image).all()
    except ImageError as error:
        assert "\n" not in str(error)


def test_decompression_bomb():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    bomb = b"\x89PNG\r\n\x1a\n" + chunks
    with pytest.raises(ImageError, match="pixels; scale it down"):
        load_image(bomb)


def test_killed_while_saving_leaves_the_old_file(tmp_path):
    path = save_image(cat, tmp_path / "cat.png")
    before = path.read_bytes()
    script = f"""
import os, signal
import numpy as np
from deepdream_nb.images import save_image
from deepdream_nb.workshop import files
def killed_on_write(*arguments):
    file = open(*arguments)
    file.write(b"half a picture"); file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
files.open = killed_on_write
save_image(np.zeros((900, 900, 3)), {str(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert path.read_bytes() == before


def test_full_disk_is_one_sentence(tmp_path):
    with full_disk(), pytest.raises(FileError, match="cannot write .*File too large"):
        save_image(cat, tmp_path / "cat.png")
    assert os.listdir(tmp_path) == []


def test_new_files_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*arguments): raise OSError("no links here")
    monkeypatch.setattr("os.link", refuse)
    save_image(cat, tmp_path / "cat.png", overwrite=False)
    with pytest.raises(FileError, match="is there already"):
        save_image(1 - cat, tmp_path / "cat.png", overwrite=False)
    assert np.abs(load_image(tmp_path / "cat.png") - cat).max() < 0.003
    assert os.listdir(tmp_path) == ["cat.png"]


@pytest.mark.parametrize("ending, count", [("png", 400_000), ("webp", 400_000), ("jpg", 65_000)])
def test_a_long_note_comes_back_and_a_longer_one_is_one_sentence(tmp_path, ending, count):
    path = save_image(cat, tmp_path / f"cat.{ending}", note="x" * count)
    assert read_note(path) == "x" * count
    if ending != "jpg": return
    before = path.read_bytes()
    with pytest.raises(ImageError, match="JPEG holds 65,000, PNG and WebP hold more"):
        save_image(1 - cat, path, note="x" * (count + 1))
    assert path.read_bytes() == before


def test_a_note_is_read_from_pictures_of_the_first_edition(tmp_path):
    from PIL import PngImagePlugin
    note, picture = '{"who": "Chelsea"}', Image.open(sample("cat")).resize((9, 9))
    text = PngImagePlugin.PngInfo()
    text.add_itxt("deepdream", note)
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    picture.save(tmp_path / "old.png", pnginfo=text)
    exif = Image.Exif()
    exif[0x010E] = note
    for ending in ("jpg", "webp"): picture.save(tmp_path / f"old.{ending}", exif=exif, xmp=b"<x:xmpmeta/>")
    assert {read_note(path) for path in tmp_path.iterdir()} == {note}


@pytest.mark.parametrize("ending, how", [("heic", "HEIF"), ("avif", "AVIF"), ("jpg", "JPEG")])
def test_a_phones_photo_is_upright(tmp_path, ending, how):
    if ending == "heic": pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees, clockwise
    path = tmp_path / f"IMG_1.{ending}"
    to_picture(cat).rotate(90, expand=True).save(path, how, quality=95, exif=exif.tobytes())
    for source in (path, path.read_bytes()):
        image = load_image(source)
        assert image.shape == cat.shape and np.abs(image - cat).mean() < 0.03
    assert len(load_pictures(tmp_path)) == 1  # folders have their endings, too
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match=f"^IMG_1.{ending} is damaged"): load_image(path)


@pytest.fixture(scope="module")
def cutout():
    "A see-through picture of the cat, 96 pixels wide: clear at its corners, and red where nobody sees it."
    picture = to_picture(load_image(sample("cat"), max_side=96))
    alpha = Image.radial_gradient("L").resize(picture.size).point(lambda value: max(0, 200 - value))
    hidden = Image.new("RGB", picture.size, "red")
    hidden.paste(picture, mask=alpha.point(lambda value: 255 * (value > 0)))
    hidden.putalpha(alpha)
    return hidden


def alpha_of(path): return np.asarray(Image.open(path).getchannel("A"))


@pytest.mark.parametrize("command, words", {
    "dream": ("--recipe", "terriers", "--octaves", 1, "--steps", 1, "--max-side", 64),
    "fast": ("--max-side", 64), "style": (sample("coffee"), "--steps", 1, "--scales", 1, "--max-side", 64),
}.items())
def test_a_command_keeps_what_one_sees_through(tmp_path, cutout, command, words):
    cutout.save(tmp_path / "cut.png")
    made, styles = tmp_path / "made.png", [sample("coffee")] if command == "style" else ()
    line = [command, tmp_path / "cut.png", *words, "--out", made]
    load_app()([*map(str, line)], standalone_mode=False)
    wanted = np.asarray(cutout.getchannel("A").resize(Image.open(made).size, Image.Resampling.BICUBIC), int)
    assert np.abs(alpha_of(made) - wanted).max() <= 2 and wanted.min() == 0 and wanted.max() > 150
    again = replay(made, cutout, styles=styles, progress=False)
    assert again.identical
    assert save_dream(again.dream, tmp_path / "again.png").read_bytes() == made.read_bytes()


def test_webp_keeps_what_one_sees_through(tmp_path, cutout):
    image, alpha = load_with_alpha(cutout)
    path = save_image(image, tmp_path / "cut.webp", "a note", alpha=alpha)
    assert np.array_equal(alpha_of(path), np.asarray(cutout.getchannel("A"))) and read_note(path) == "a note"


def test_what_is_hidden_does_not_steer_a_dream(cutout, squeezenet):
    recipe = Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=2)
    other = cutout.convert("RGB")
    alpha = np.asarray(cutout.getchannel("A"))
    other = Image.fromarray(np.where(alpha[..., None] > 0, np.asarray(other), 7).astype("uint8"))
    other.putalpha(cutout.getchannel("A"))
    made = [make_dream(picture, recipe, network=squeezenet, progress=False) for picture in (cutout, other)]
    assert np.array_equal(made[0].image, made[1].image)
    assert np.array_equal(made[0].alpha, alpha.astype("float32") / 255)
    assert follow(recipe, cat, maker=squeezenet, progress=False).alpha is None
    array = np.concatenate([cat, np.full((*cat.shape[:2], 1), 0.5, "float32")], axis=-1)
    assert np.all(load_with_alpha(array)[1] == 0.5) and load_with_alpha(cutout.convert("RGB"))[1] is None


def test_a_dream_says_what_it_is(squeezenet):
    plain = Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=1)
    made = make_dream(cat, plain, network=squeezenet, progress=False)
    assert repr(made) == 'Dream 60x40 by layer("fire3") on squeezenet'
    made = make_dream(cat, "swirls", network=squeezenet, progress=False)
    assert repr(made) == "Dream 640x427 by swirls on squeezenet"


def test_a_jpeg_of_a_see_through_dream_lies_on_white(tmp_path, cutout):
    made = follow(FilterRecipe("swirls"), cutout, progress=False)
    assert repr(made) == "Dream 96x64 by filter swirls"
    path = save_dream(made, tmp_path / "made.jpg")
    clear = np.asarray(cutout.getchannel("A").resize((96, 64))) == 0
    assert load_image(path)[clear].min() > 0.9 > made.image[clear].min()
    assert replay(path, cutout, progress=False).mean_difference < 5


def test_an_array_of_bytes_is_shown_as_its_floats_are():
    pixels = np.round(255 * load_image(sample("cat"), max_side=60)).astype("uint8")
    shown = [_grid_jpeg([one], None, None, 90, 82) for one in (pixels, load_image(pixels))]
    assert shown[0] == shown[1]


def test_show_in_a_script_saves_a_file_and_says_where(tmp_path):
    script = "from deepdream_nb import load_image, sample, show\n" + 2 * "show(sample('cat'), width=90)\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    files = [tmp_path / name for name in ("show.jpg", "show.2.jpg")]
    assert done.stdout.split("\n")[:2] == [f"shown in {path.resolve()}" for path in files], done.stderr
    assert [Image.open(path).size[0] for path in files] == [90, 90]


def swapped_profile():
    "An ICC profile in which red and green have changed places."
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")


def stored(picture, format="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "clear P", "LA", "L", "CMYK", "I;16"])
def test_colours_are_those_of_the_profile_in_every_mode(mode):
    colour = Image.new("RGBA", (4, 4), (255, 0, 0, 128 if mode in ("RGBA", "clear P") else 255))
    if mode in ("LA", "L", "CMYK", "I;16"):  # whose profiles are of another kind
        picture = colour.convert("RGB").convert(mode if mode == "CMYK" else "L")
        if mode == "LA": picture = picture.convert(mode)
        if mode == "I;16": picture = Image.fromarray(np.full((4, 4), 76 * 257, "uint16"))
        right = [1, 0, 0] if mode == "CMYK" else [76 / 255] * 3
        found = load_image(stored(picture, "TIFF", icc_profile=swapped_profile()))
        assert found[0, 0] == pytest.approx(right, abs=0.01)
        return
    picture = colour.convert("P") if mode == "P" else colour.convert(mode.split()[-1])
    if mode == "clear P": picture.info["transparency"] = bytes([128] * 256)
    image, alpha = load_with_alpha(stored(picture, icc_profile=swapped_profile()))
    if mode in ("RGB", "P"): assert image[0, 0] == pytest.approx([0, 1, 0], abs=0.05) and alpha is None
    else:  # half of green, and half of the white below, which is not of the profile
        assert image[0, 0] == pytest.approx([0.5, 1, 0.5], abs=0.05)
        assert alpha[0, 0] == pytest.approx(0.5, abs=0.01)


def test_sixteen_bits_have_white_and_transparency_where_the_file_says():
    values = np.array([[0, 16384, 65535]], "uint16")
    kind = struct.Struct("<HHIH")  # an entry of TIFF's: black is 0, to become white is 0
    data = stored(Image.fromarray(values), "TIFF").replace(kind.pack(262, 3, 1, 1), kind.pack(262, 3, 1, 0))
    image = load_image(data)
    assert image[0, :, 0] == pytest.approx([1, 0.75, 0], abs=1e-4)
    image, alpha = load_with_alpha(stored(Image.fromarray(values), transparency=16384))
    assert image[0, :, 0].tolist() == [0, 1, 1] and alpha.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("shape, ground, right", [(255, 0, 1), (255, 255, 1), (200, 0, 200 / 255)])
def test_what_is_clear_lies_outside_of_a_mask(tmp_path, shape, ground, right):
    mask = Image.new("LA", (20, 10), (ground, 0))
    mask.paste((shape, 255), (0, 0, 10, 10))
    mask.save(tmp_path / "mask.png")
    recipe = Recipe("squeezenet", 'masked(layer("fire3"), "shape")')
    for source in (tmp_path / "mask.png", np.asarray(mask.convert("RGBA"))):
        found = other_pictures(recipe, {"shape": source, "guide": source})
        assert found["shape"][0, 0, 0] == pytest.approx(right) and found["shape"][0, 15].max() == 0
        assert found["guide"][0, 15].min() == 1  # a guide lies on white, as a photo does


def test_a_folder_has_all_pictures_that_pillow_reads_and_counts_the_others(tmp_path):
    for ending in ("jpg", "JFIF", "jpe", "webp", "tif", "jp2", "avif", "ppm", "ico", "tga", "bmp", "qoi"):
        small = to_picture(cat).resize((16, 16))
        how = {"JFIF": "JPEG", "jpe": "JPEG"}.get(ending)
        small.save(tmp_path / f"{ending}.{ending}", how)
    (tmp_path / ".hidden").mkdir()
    for name in (".hidden/a.jpg", "notes.txt", "film.mp4", "more.txt", "plain", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    said = "4 files that are no pictures by the ending, in .*: 1 .mp4, 2 .txt, 1 without an ending"
    for read, count in ((load_pictures, 12), (find_photos, 12)):
        with pytest.warns(LeftOut, match=said): assert len(read(tmp_path)) == count
    (tmp_path / "classes").mkdir()
    for name in ("a", ".ipynb_checkpoints"):
        (tmp_path / "classes" / name).mkdir()
        save_image(cat, tmp_path / "classes" / name / "cat.png")
    assert [path.parent.name for path in photo_paths(tmp_path / "classes")] == ["a"]
    assert count_photos(tmp_path / "classes") == {"a": 1}


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_in_a_file_the_first_is_taken_with_a_word(tmp_path, format):
    frames = [Image.new("RGB", (9, 9), shade) for shade in ("red", "lime")]
    frames[0].save(tmp_path / "two", format, save_all=True, append_images=frames[1:])
    with pytest.warns(LeftOut, match="all pictures of two but the first"): load_image(tmp_path / "two")


def test_a_pipe_is_called_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", "-"):
        with pytest.raises(ImageError, match="is a pipe; save the picture"): load_image(source)


def test_a_jpeg_that_differs_says_why(tmp_path, squeezenet):
    made = make_dream(cat, Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=1), network=squeezenet)
    for ending, said in ((".jpg", "its format keeps pixels roughly only"), (".png", "the same in every")):
        assert said in str(replay(save_dream(made, tmp_path / f"cat{ending}"), cat, progress=False))

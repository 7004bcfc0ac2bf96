"""Pictures that are damaged, hostile or written while something goes wrong."""
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

from deepdream_nb.images import ImageError, load_image, read_note, sample, save_image
from deepdream_nb.workshop.files import FileError

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
    from PIL import Image, PngImagePlugin
    note, picture = '{"who": "Chelsea"}', Image.open(sample("cat")).resize((9, 9))
    text = PngImagePlugin.PngInfo()
    text.add_itxt("deepdream", note)
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    picture.save(tmp_path / "old.png", pnginfo=text)
    exif = Image.Exif()
    exif[0x010E] = note
    for ending in ("jpg", "webp"): picture.save(tmp_path / f"old.{ending}", exif=exif, xmp=b"<x:xmpmeta/>")
    assert {read_note(path) for path in tmp_path.iterdir()} == {note}

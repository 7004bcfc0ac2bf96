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

from deepdream_nb.images import ImageError, load_image, sample, save_image

cat = load_image(sample("cat"), max_side=60)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_damage_is_an_image_error_or_a_picture(data):
    whole = sample("cat").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=30)) + whole[place + data.draw(st.integers(0, 3000)):]
    try:
        image = load_image(damaged)
        assert image.ndim == 3 and image.shape[-1] == 3 and np.isfinite(image).all()
    except ImageError as error:
        assert "\n" not in str(error)


def test_decompression_bomb():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="pixels; scale it down"):
        load_image(bomb)


def test_killed_while_saving_leaves_the_old_file(tmp_path):
    path = save_image(cat, tmp_path / "cat.png")
    before = path.read_bytes()
    script = f"""
import os, signal
import numpy as np
from deepdream_nb import images
def killed_on_write(*arguments):
    file = open(*arguments)
    file.write(b"half a picture"); file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
images.open = killed_on_write
images.save_image(np.zeros((900, 900, 3)), {str(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert path.read_bytes() == before


def test_full_disk_is_one_sentence(tmp_path):
    with full_disk(), pytest.raises(ImageError, match="cannot write .*File too large"):
        save_image(cat, tmp_path / "cat.png")
    assert os.listdir(tmp_path) == []


def test_new_files_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*arguments): raise OSError("no links here")
    monkeypatch.setattr("os.link", refuse)
    save_image(cat, tmp_path / "cat.png", overwrite=False)
    with pytest.raises(ImageError, match="is there already"):
        save_image(1 - cat, tmp_path / "cat.png", overwrite=False)
    assert np.abs(load_image(tmp_path / "cat.png") - cat).max() < 0.003 and os.listdir(tmp_path) == ["cat.png"]

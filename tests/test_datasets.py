"""Data sets: downloads from a server that misbehaves, archives and pictures that are damaged or hostile."""
import hashlib
import http.server
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
import types
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import full_disk, needs_photos, needs_wordnet, nouns, photos
from PIL import Image

from deepdream_nb.workshop.archives import DatasetError, DownloadError, download, download_archives
from deepdream_nb.workshop.files import DeepDreamError, FileError
from deepdream_nb.datasets import CATEGORIES, NATURAL_IMAGES, collect, count_photos
from deepdream_nb.datasets import natural_images, shortfall, split_photos
from deepdream_nb.images import load_image, sample, to_picture

cat = to_picture(load_image(sample("cat")))
data = np.random.default_rng(0).bytes(300_000)
QUICK = dict(wait=0.01)


class Handler(http.server.BaseHTTPRequestHandler):
    "Serves `server.files`; of `server.faults[path]`, a list of dictionaries, each request uses up one."

    def do_GET(self):
        site, path = self.server, self.path
        fault = site.faults[path].pop(0) if site.faults.get(path) else {}
        if "becomes" in fault: site.files[path] = fault["becomes"]
        headers = dict(self.headers)
        entry = dict(path=path, range=headers.get("Range"), headers=headers, sent=0)
        site.log.append(entry)
        self.host, self.counted = self.headers["Host"], True
        with site.lock:
            site.now[self.host] += 1
            site.most[self.host] = max(site.most[self.host], site.now[self.host])
        deadline = time.monotonic() + 10
        while site.most[self.host] < fault.get("company", 0) and time.monotonic() < deadline: time.sleep(0.01)
        try: self.answer(fault, entry)
        except OSError: pass  # the client was killed
        finally:
            self.done()
            self.close_connection = True

    def done(self):
        "Count this request out, once: before its last bytes go, since the client's next one may be faster."
        with self.server.lock:
            if self.counted: self.server.now[self.host] -= 1
            self.counted = False

    def answer(self, fault, entry):
        whole = self.server.files.get(self.path)
        status = fault.get("status", 200 if whole is not None else 404)
        headers, body, tag = dict(fault.get("headers", {})), whole or b"", f'"{zlib.crc32(whole or b"")}"'
        start = re.fullmatch(r"bytes=(\d+)-", entry["range"] or "")
        if status == 200 and start and not fault.get("no_ranges") and self.headers.get("If-Range") == tag:
            start = int(start[1])
            if start >= len(whole): status, body = 416, b""
            else: status, body = 206, whole[start:]
            headers.setdefault("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        entry["status"] = status
        self.send_response(status)
        headers = {"Content-Length": len(body) + fault.get("longer", 0), "ETag": tag, **headers}
        for name, value in headers.items():
            if value is not None: self.send_header(name, value)
        if not body: self.done()
        self.end_headers()
        if fault.get("chunked"):
            pieces = [*[body[k:k + 8000] for k in range(0, len(body), 8000)], b""]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        body = body[:fault.get("breaks_at", len(body))]
        for k in range(0, len(body), 10_000):
            time.sleep(fault.get("slow", 0))
            if k + 10_000 >= len(body): self.done()
            entry["sent"] += len(body[k:k + 10_000])  # before they go, for the same reason
            self.wfile.write(body[k:k + 10_000])

    def log_message(self, *arguments): pass


@pytest.fixture
def site(monkeypatch):
    "A server on this machine: its address, files, faults and log."
    for name in ("no_proxy", "NO_PROXY"): monkeypatch.setenv(name, "127.0.0.1,localhost")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.faults, server.log = {"/a.tar": data}, {}, []
    server.lock, server.now, server.most = threading.Lock(), Counter(), Counter()
    server.url = f"http://127.0.0.1:{server.server_port}/a.tar"
    thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.02), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_broken_connections_are_resumed_without_a_byte_twice(site, tmp_path):
    site.faults["/a.tar"] = [dict(breaks_at=at) for at in (70_001, 1, 100_003, 0, 29)]
    right = hashlib.sha256(data).hexdigest()
    assert download(site.url, tmp_path / "a.tar", sha256=right, **QUICK).read_bytes() == data
    starts = [f"bytes={start}-" for start in (70001, 70002, 170005, 170005, 170034)]
    assert [entry["range"] for entry in site.log] == [None, *starts]
    assert sum(entry["sent"] for entry in site.log) == len(data) and os.listdir(tmp_path) == ["a.tar"]
    assert all(entry["headers"]["User-Agent"].startswith("deepdream_nb") for entry in site.log)


def test_a_server_that_never_sends_anything_is_left_after_the_retries(site, tmp_path):
    site.faults["/a.tar"] = [dict(breaks_at=1000)] + [dict(breaks_at=0)] * 20
    with pytest.raises(DownloadError, match="connection broke, retries: 3; run it again to go on from 1,000"):
        download(site.url, tmp_path / "a.tar", retries=3, **QUICK)
    assert len(site.log) == 4 and sorted(os.listdir(tmp_path)) == ["a.tar.part", "a.tar.part.json"]
    site.faults.clear()
    assert download(site.url, tmp_path / "a.tar").read_bytes() == data
    assert site.log[-1]["range"] == "bytes=1000-"


@pytest.mark.parametrize("longer", [5, -5])
def test_a_wrong_content_length_is_not_believed(site, tmp_path, longer):
    site.faults["/a.tar"] = [dict(longer=longer)] * 20
    right = hashlib.sha256(data).hexdigest()
    with pytest.raises(DownloadError):
        download(site.url, tmp_path / "a.tar", sha256=right, retries=2, **QUICK)
    assert not (tmp_path / "a.tar").exists()
    site.faults.clear()
    assert download(site.url, tmp_path / "a.tar", sha256=right, **QUICK).read_bytes() == data


def test_a_wrong_checksum_is_thrown_away(site, tmp_path):
    with pytest.raises(DownloadError, match="not what it should be"):
        download(site.url, tmp_path / "a.tar", sha256="0" * 64, **QUICK)
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob("*.part")) and len(site.log) == 1


def test_waits_as_long_as_the_server_asks(site, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr("urllib3.util.retry.time", types.SimpleNamespace(sleep=pauses.append, time=time.time))
    wait = dict(status=503, headers={"Retry-After": "7"})
    unclear = dict(status=429, headers={"Retry-After": "soon"})
    site.faults["/a.tar"] = [wait, unclear, dict(status=500)]
    assert download(site.url, tmp_path / "a.tar", wait=1).read_bytes() == data
    assert pauses[0] == 7 and 2 <= pauses[1] <= 3 and 4 <= pauses[2] <= 5  # these two are ours, with jitter
    site.faults["/a.tar"] = [dict(status=503, headers={"Retry-After": "4000"})]
    with pytest.raises(DownloadError, match="asks for a pause of 4,000 seconds"):
        download(site.url, tmp_path / "b.tar")


def test_a_server_without_ranges(site, tmp_path):
    site.faults["/a.tar"] = [dict(breaks_at=70_000), dict(no_ranges=True)]
    assert download(site.url, tmp_path / "a.tar", **QUICK).read_bytes() == data
    assert [entry["status"] for entry in site.log] == [200, 200] and site.log[1]["range"]


def test_two_versions_are_never_mixed(site, tmp_path):
    newer = data[::-1]
    site.faults["/a.tar"] = [dict(breaks_at=70_000), dict(becomes=newer, breaks_at=50_000)]
    assert download(site.url, tmp_path / "a.tar", **QUICK).read_bytes() == newer
    assert [entry["status"] for entry in site.log] == [200, 200, 206]


def test_a_file_of_unknown_length(site, tmp_path):
    headers = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    site.faults["/a.tar"] = [dict(chunked=True, breaks_at=70_000, headers=headers)]
    assert download(site.url, tmp_path / "a.tar", **QUICK).read_bytes() == data
    assert site.log[1]["status"] == 206 and site.log[1]["sent"] < len(data) - 60_000


@pytest.mark.parametrize("marks", [{"ETag": None}, {"ETag": 'W/"about the same"'}])
def test_without_a_sure_mark_the_rest_is_not_asked_for(site, tmp_path, marks):
    site.faults["/a.tar"] = [dict(breaks_at=70_000, headers=marks)]
    assert download(site.url, tmp_path / "a.tar", **QUICK).read_bytes() == data
    assert [entry["range"] for entry in site.log] == [None, None]


def test_another_piece_than_was_asked_for(site, tmp_path):
    other = {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}
    site.faults["/a.tar"] = [dict(breaks_at=70_000), dict(headers=other)]
    assert download(site.url, tmp_path / "a.tar", **QUICK).read_bytes() == data
    assert [entry["range"] for entry in site.log] == [None, "bytes=70000-", None]


def test_a_part_that_is_longer_than_the_file(site, tmp_path):
    site.faults["/a.tar"] = [dict(breaks_at=70_000)]
    with pytest.raises(DownloadError): download(site.url, tmp_path / "a.tar", retries=0, **QUICK)
    (tmp_path / "a.tar.part").write_bytes(bytes(len(data) + 9))
    assert download(site.url, tmp_path / "a.tar", **QUICK).read_bytes() == data
    assert [entry["status"] for entry in site.log] == [200, 416, 200]


def test_a_part_of_another_address_is_not_used(site, tmp_path):
    site.files["/b.tar"], site.faults["/a.tar"] = data[::-1], [dict(breaks_at=70_000)]
    with pytest.raises(DownloadError): download(site.url, tmp_path / "a.tar", retries=0, **QUICK)
    other = site.url.replace("a.tar", "b.tar")
    assert download(other, tmp_path / "a.tar", **QUICK).read_bytes() == data[::-1]
    assert site.log[1]["range"] is None


def test_headers_are_sent_and_logins_asked_for(site, tmp_path):
    site.faults["/a.tar"] = [dict(status=401), {}]
    with pytest.raises(DownloadError, match="log in"): download(site.url, tmp_path / "a.tar", **QUICK)
    download(site.url, tmp_path / "a.tar", headers={"Authorization": "Bearer me"}, **QUICK)
    assert site.log[-1]["headers"]["Authorization"] == "Bearer me"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_full_disk_is_one_sentence(site, tmp_path):
    (tmp_path / "a.tar.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="cannot write .*a.tar.part: No space left"):
        download(site.url, tmp_path / "a.tar", **QUICK)
    assert not (tmp_path / "a.tar").exists()


DOWNLOAD = """
import sys
from deepdream_nb.workshop.archives import download_archives
download_archives({"altar": sys.argv[1]}, sys.argv[2])
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_killed_midway_the_rest_is_fetched(site, tmp_path, signum):
    site.faults["/a.tar"] = [dict(slow=0.2)]
    line = [sys.executable, "-c", DOWNLOAD, site.url, str(tmp_path)]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    part, deadline = tmp_path / "altar.tar.part", time.monotonic() + 60
    def size(): return part.stat().st_size if part.exists() else 0
    try:
        while size() <= 50_000 and time.monotonic() < deadline: time.sleep(0.02)
        process.send_signal(signum)
        assert process.wait() != 0
    finally: process.kill()
    have = part.stat().st_size
    assert 50_000 < have < len(data) and not (tmp_path / "altar.tar").exists()
    assert download_archives({"altar": site.url}, tmp_path)["altar"].read_bytes() == data
    assert site.log[-1]["range"] == f"bytes={have}-" and site.log[-1]["sent"] == len(data) - have
    assert len(site.log) == 2


def test_two_at_a_time_of_each_host(site, tmp_path):
    names = list(CATEGORIES)[:10]
    hosts = [f"http://{host}:{site.server_port}" for host in ("127.0.0.1", "localhost")]
    urls = {name: f"{hosts[k > 6]}/{k}.zip" for k, name in enumerate(names)}
    for k in range(9):
        site.files[f"/{k}.zip"] = b"%d" % k * 90_000
        site.faults[f"/{k}.zip"] = [dict(company=2, slow=0.01)]  # the request waits for a second one
    with pytest.raises(DownloadError, match=rf"1 of 10 archives are missing: {names[9]} \(.*404"):
        download_archives(urls, tmp_path, **QUICK)
    assert list(site.most.values()) == [2, 2]  # and there never is a third
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.zip" for name in names[:9])
    requests = len(site.log)
    site.files["/9.zip"] = b"9"
    assert len(download_archives(urls, tmp_path, **QUICK)) == 10 and len(site.log) == requests + 1


def jpeg(picture=None, **options):
    buffer = io.BytesIO()
    (picture or cat).save(buffer, options.pop("format", "JPEG"), **options)
    return buffer.getvalue()


def photo(k):
    "The k-th piece of the cat, as the bytes of a JPEG."
    return jpeg(cat.crop((20 * k, 15 * k, 20 * k + 150, 15 * k + 150)))


def tar(files, mode="w", links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, to in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, to
            archive.addfile(member)
    return buffer.getvalue()


def packed(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items(): archive.writestr(name, content)
    return buffer.getvalue()


def picture_bomb():
    def chunk(kind, content):
        return struct.pack(f">I4s{len(content)}sI", len(content), kind, content, zlib.crc32(kind + content))
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def reasons(report, category=None):
    dropped = [one for one in report.dropped if category in (None, one.category)]
    return {Path(one.place).name: one.reason for one in dropped}


def test_from_a_bad_server_to_a_clean_folder(site, tmp_path):
    grey = jpeg(Image.effect_noise((200, 150), 9).convert("RGB"))
    again = jpeg(Image.open(io.BytesIO(photo(4))).resize((120, 120)))
    altar = {
        "a/1.jpg": photo(0), "2.jpg": photo(0)[:3000], "3.jpg": b"<html>404</html>", "4.jpg": grey,
        "5.png": picture_bomb(), "6.jpg": b"",
        "../../7.jpg": photo(1), "/8.jpg": photo(2), "..\\..\\9.jpg": photo(3)}
    jeep = {"1.jpg": photo(4), "again.jpg": again, "../../2.jpg": photo(5), "grey.jpg": grey}
    site.files = {
        "/altar.tar": tar(altar, links=[("10.jpg", "/etc/passwd")]),
        "/jeep.zip": packed(jeep),
        "/windmill.tgz": tar({f"{k}.jpg": photo(k) for k in (6, 7)}, "w:gz")[:-9000],
    }
    for path in site.files: site.faults[path] = [dict(breaks_at=5000), dict(status=503)]
    urls = {path[1:].split(".")[0]: site.url.replace("a.tar", path[1:]) for path in site.files}
    work = tmp_path / "one" / "two"
    download_archives(urls, work / "archives", **QUICK)
    report = collect(work / "archives", work / "clean")
    assert reasons(report, "altar") == {
        "2.jpg": "no picture", "3.jpg": "no picture", "4.jpg": "in several categories", "5.png": "no picture",
        "6.jpg": "no picture", "7.jpg": "unsafe path", "8.jpg": "unsafe path", "9.jpg": "unsafe path",
        "10.jpg": "no plain file"}
    jeeps = {"again.jpg": "copy", "2.jpg": "unsafe path", "grey.jpg": "in several categories"}
    assert reasons(report, "jeep") == jeeps
    assert "damaged archive" in {one.reason for one in report.dropped if one.category == "windmill"}
    assert report.kept["altar"] == report.kept["jeep"] == 1
    assert count_photos(work / "clean") == dict(sorted(report.kept.items()))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and work not in path.parents]
    lines = [json.loads(line) for line in (work / "clean" / "dropped.jsonl").read_text().splitlines()]
    assert len(lines) == len(report.dropped) and all(line["reason"] and line["place"] for line in lines)


@pytest.mark.parametrize("ending, bomb", [
    ("tar.gz", tar({"1.jpg": bytes(2**26)}, "w:gz")), ("zip", packed({"1.jpg": bytes(2**26)})),
    ("tar.gz", tar({f"{k}.jpg": bytes(2**22) for k in range(12)}, "w:gz")),
])
def test_archive_bombs_are_not_unpacked(tmp_path, ending, bomb):
    (tmp_path / f"altar.{ending}").write_bytes(bomb)
    with pytest.raises(DatasetError, match="no usable photo: .*"):
        collect(tmp_path / f"altar.{ending}", tmp_path / "clean")
    (tmp_path / "both").mkdir()
    (tmp_path / f"altar.{ending}").rename(tmp_path / "both" / f"altar.{ending}")
    (tmp_path / "both" / "jeep.tar").write_bytes(tar({"1.jpg": photo(0)}))
    report = collect(tmp_path / "both", tmp_path / "clean")
    assert report.kept == {"jeep": 1} and f"altar.{ending}" in reasons(report)
    assert any("100 times its size" in one.detail for one in report.dropped)


def test_a_cut_tar_is_reported_wherever_it_was_cut(tmp_path):
    whole = tar({f"{k}.jpg": photo(k) for k in range(3)})
    last = tarfile.open(fileobj=io.BytesIO(whole)).getmembers()[2]
    begin, content = last.offset, last.offset_data
    places = begin, begin + 100, content, content + 3000, content + last.size + 400
    for cut in (0, 300, 512, 1024, 5000, *places):
        source = tmp_path / f"{cut}"
        source.mkdir()
        (source / "jeep.tar").write_bytes(tar({"1.jpg": photo(9)}))
        (source / "altar.tar").write_bytes(whole[:cut])
        report = collect(source, tmp_path / f"{cut}-clean")
        assert {one.reason for one in report.dropped if one.category == "altar"} == {"damaged archive"}, cut


def test_imagenet_folders_and_archives_of_archives(tmp_path):
    number = CATEGORIES["altar"]
    altars, fish = tar({f"{number}_{k}.JPEG": photo(k) for k in range(3)}), tar({"fish.JPEG": photo(4)})
    train = tar({f"{number}.tar": altars, "n01440764.tar": fish})
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(train)
    report = collect(tmp_path / "ILSVRC2012_img_train.tar", tmp_path / "clean")
    assert report.kept == {"altar": 3} and not report.dropped
    made = sorted(path.name for path in (tmp_path / "clean" / "altar").iterdir())
    assert made == [f"n02699494_{k}.jpg" for k in range(3)]
    for name, number in (("one", CATEGORIES["stock car"]), ("two", "stock car")):
        (tmp_path / name / number).mkdir(parents=True)
        (tmp_path / name / number / "x.JPEG").write_bytes(photo(0))
        assert collect(tmp_path / name, tmp_path / f"{name}-clean").kept == {"stock car": 1}


def test_a_file_that_comes_three_times_is_a_placeholder(tmp_path):
    (tmp_path / "altar").mkdir()
    for k in range(3): (tmp_path / "altar" / f"gone{k}.jpg").write_bytes(photo(0))
    for k in (4, 5): (tmp_path / "altar" / f"{k}.jpg").write_bytes(photo(k))
    report = collect(tmp_path / "altar", tmp_path / "clean")
    assert report.kept == {"altar": 2}
    assert [one.reason for one in report.dropped] == ["repeated file"] * 3


def test_same_names_are_kept_apart_and_same_files_counted_once(tmp_path):
    for place, k in (("a", 0), ("b", 0), ("c", 3)):
        (tmp_path / "source" / place / "altar").mkdir(parents=True)
        (tmp_path / "source" / place / "altar" / "1.jpg").write_bytes(photo(k))
    report = collect(tmp_path / "source", tmp_path / "clean")
    assert report.kept == {"altar": 2} and not report.dropped


def test_hidden_copies_are_left_out_and_counted(tmp_path):
    for name in ("altar/1.jpg", "altar/.ipynb_checkpoints/1-checkpoint.jpg", "altar/._1.jpg"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(photo(0))
    report = collect(tmp_path / "source", tmp_path / "clean")
    assert os.listdir(tmp_path / "clean" / "altar") == ["1.jpg"]
    assert reasons(report) == {"1-checkpoint.jpg": "hidden", "._1.jpg": "hidden"}


def test_keras_reads_what_load_image_reads(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    ways = {
        "plain.jpg": jpeg(), "cmyk.jpg": jpeg(cat.convert("CMYK")), "turned.jpg": jpeg(exif=turned),
        "grey.jpg": jpeg(cat.convert("L")), "palette.gif": jpeg(cat, format="GIF"),
        "clear.png": jpeg(cat.convert("RGBA"), format="PNG"), "other.webp": jpeg(format="WEBP")}
    for k, (name, content) in enumerate(ways.items()):
        source = tmp_path / f"{k}" / "altar"
        source.mkdir(parents=True)
        (source / name).write_bytes(content)
        collect(source, tmp_path / f"clean{k}")
        right = load_image(content)
        side = min(right.shape[:2])
        y, x = [(length - side) // 2 for length in right.shape[:2]]
        settings = dict(labels=None, image_size=(side, side), crop_to_aspect_ratio=True, verbose=False)
        batches = keras.utils.image_dataset_from_directory(tmp_path / f"clean{k}", **settings)
        assert np.abs(next(iter(batches))[0] / 255 - right[y:y + side, x:x + side]).mean() < 0.012, name
    kept = [next((tmp_path / f"clean{k}" / "altar").iterdir()) for k in range(len(ways))]
    assert kept[0].read_bytes() == ways["plain.jpg"]
    assert [path.suffix[1:] for path in kept] == ["jpg", "png", "png", "jpg", "png", "png", "png"]


def test_a_tag_that_lies_is_not_believed_where_one_says_so(tmp_path):
    (tmp_path / "altar").mkdir()
    turned = Image.Exif()
    turned[0x0112] = 3
    (tmp_path / "altar" / "1.jpg").write_bytes(jpeg(exif=turned))
    for upright, right in ((True, load_image(jpeg())[::-1, ::-1]), (False, load_image(jpeg()))):
        collect(tmp_path / "altar", tmp_path / f"clean{upright}", upright=upright)
        path, = (tmp_path / f"clean{upright}" / "altar").iterdir()
        assert np.array_equal(load_image(path), right) and Image.open(path).getexif().get(0x0112, 1) == 1


def test_collect_stops_cleanly_at_a_full_disk_and_begins_again(tmp_path):
    (tmp_path / "altar").mkdir()
    for k in range(3): (tmp_path / "altar" / f"{k}.jpg").write_bytes(photo(k))
    with full_disk(), pytest.raises(FileError, match="cannot write .*File too large"):
        collect(tmp_path / "altar", tmp_path / "clean")
    assert not (tmp_path / "clean").exists()
    assert collect(tmp_path / "altar", tmp_path / "clean").kept == {"altar": 3}
    assert not list(tmp_path.glob("*.part"))


def test_split_copies_where_links_are_not_possible(tmp_path, monkeypatch):
    (tmp_path / "source" / "altar").mkdir(parents=True)
    for k in range(9): (tmp_path / "source" / "altar" / f"{k}.jpg").write_bytes(photo(k))
    def refuse(*arguments): raise OSError("no links here")
    counts = [split_photos(tmp_path / "source", tmp_path / "linked")]
    monkeypatch.setattr("os.link", refuse)
    counts.append(split_photos(tmp_path / "source", tmp_path / "copied"))
    def files(folder): return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.jpg")}
    linked, copied = files(tmp_path / "linked"), files(tmp_path / "copied")
    assert counts[0] == counts[1] and linked == copied and sum(counts[0].values()) == 9 == len(linked)


def test_kaggle(tmp_path, monkeypatch):
    for k, name in enumerate(NATURAL_IMAGES):
        folder = tmp_path / "versions" / "1" / "natural_images" / name
        folder.mkdir(parents=True)
        (folder / f"{name}_0001.jpg").write_bytes(photo(k))
    asked = []
    def hand_out(name):
        asked.append(name)
        return str(tmp_path / "versions")
    hub = types.SimpleNamespace(dataset_download=hand_out)
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    report = natural_images(tmp_path / "clean")
    assert asked == ["prasunroy/natural-images"] and report.kept == dict.fromkeys(NATURAL_IMAGES, 1)
    assert shortfall(report.kept)[0] == "airplane 1 of 727"
    def refuse(name): raise RuntimeError("403: log in\nat length")
    hub.dataset_download = refuse
    with pytest.raises(DownloadError, match="Kaggle did not hand out prasunroy/natural-images: 403: log in$"):
        natural_images(tmp_path / "again")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DeepDreamError, match=r"needs kagglehub: .* -m pip install .*kagglehub"):
        natural_images(tmp_path / "again")


@needs_wordnet
def test_every_number_is_an_entry_of_wordnet_with_the_name():
    for name, number in CATEGORIES.items():
        with open(nouns, encoding="latin-1") as file:
            file.seek(int(number[1:]))
            offset, _, kind, count, *words = file.readline().split()
        assert (offset, kind) == (number[1:], "n") and name.replace(" ", "_") in words[:2 * int(count, 16):2]


@needs_photos
def test_natural_images_from_a_folder(tmp_path):
    report = natural_images(tmp_path / "clean", Path(photos) / "natural_images")
    found = {name: len(list((Path(photos) / "natural_images" / name).iterdir())) for name in NATURAL_IMAGES}
    dropped = {name: sum(one.category == name for one in report.dropped) for name in found}
    assert {name: report.kept[name] + dropped[name] for name in found} == found
    assert sum(dropped.values()) < 0.01 * sum(found.values())
    short = [name for name, count in NATURAL_IMAGES.items() if report.kept[name] < count]
    assert len(shortfall(report.kept)) == len(short)

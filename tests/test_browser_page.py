"""The page that dreams: its gradients against Keras's, its JavaScript against NumPy's, and in a browser."""
import json
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import chromium, has_chromium

from deepdream_nb.apps.browser import PageError, write_page
from deepdream_nb.apps.cli_page import page_command
from deepdream_nb.apps.gradient_graph import gradient_graph
from deepdream_nb.ascent import palette_matrix
from deepdream_nb.filters import Filter, FilterRecipe, dream_network, load_filter
from deepdream_nb.images import load_image, resize, sample, save_image
from deepdream_nb.networks import load_network, main_layers, tensorflow
from deepdream_nb.objectives import measure
from deepdream_nb.recipes import Recipe, make_dream, replay
from deepdream_nb.records import read_record, save_dream
from deepdream_nb.workshop.weights import NetworkError

WAIT = 300_000  # ms: a loaded machine may take long, and a good run never waits for it
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update",
         "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
SHORT = Recipe("lite0", 'layer("block6_add", "l2") + 2 * channel("block8", 3)', octaves=2, steps=(4, 3),
               step_size=0.02, jitter=8, smoothing=1, max_side=96)


@pytest.fixture(scope="module")
def lite0(): return load_network("lite0")


def gradients_by_keras(network, names, photos):
    "For each layer the gradients (N, H, W, 3) of its mean square and one channel, and the values."
    tf = tensorflow()
    images = tf.constant(photos)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        found = network.features(names)(images)
        maps = {name: tf.reshape(x, [len(photos), -1, x.shape[-1]]) for name, x in found.items()}
        values = {name: tf.reduce_mean(x * x, [1, 2]) + tf.reduce_mean(x[..., 2], 1)
                  for name, x in maps.items()}
    return {name: (tape.gradient(value, images).numpy(), value.numpy()) for name, value in values.items()}


def offered(network):
    "The layers that the page offers: where branches join, and one of a recipe."
    main = main_layers(network)
    return [info.name for info in network.layers if info in main or info.name == "block4_depthwise"]


def test_the_gradient_of_every_layer_is_that_of_keras(lite0):
    names = offered(lite0)
    random = np.random.default_rng(3)
    sizes = (48, 64), (67, 93), (71, 52)
    photos = {size: random.random((2, *size, 3), "float32") for size in sizes}
    aims = {size: gradients_by_keras(lite0, names, photos[size]) for size in sizes}
    for cut in names:
        model, weights = gradient_graph(lite0, cut, names)
        whole = model.graph.initializer
        whole.extend(onnx.numpy_helper.from_array(one, name) for name, one in weights.items())
        session = onnxruntime.InferenceSession(model.SerializeToString())
        feeds = {one.name: np.zeros(one.shape, "float32") for one in session.get_inputs()[1:]}
        feeds[f"{cut}.square"] += 1 / lite0[cut].channels
        feeds[f"{cut}.linear"][0, 2] = 1
        for size in sizes:
            apart = []
            for photo, aim, value in zip(photos[size], *aims[size][cut]):
                feeds["image"] = photo.transpose(2, 0, 1)[None]
                found, total = session.run(["gradient", "value"], feeds)
                assert total == pytest.approx(value, rel=1e-4)
                apart.append(np.std(found[0].transpose(1, 2, 0) - aim) / np.std(aim))
            # A value within a rounding error of 0 or 6 may be on either side, and is so in one photo of many.
            assert min(apart) < 1e-3, (cut, size, apart)


def test_without_npm_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))  # beside which pip may have put an npm
    monkeypatch.setenv("DEEPDREAM_DREAMS", str(tmp_path))
    with pytest.raises(PageError, match="npm is needed to fetch onnxruntime-web; it comes with Node.js, or"):
        write_page(tmp_path / "page")
    kept = tmp_path / "page" / "onnxruntime-web-1.30.0.tgz"
    kept.write_bytes(b"something else")
    with pytest.raises(PageError, match="is not the known onnxruntime-web 1.30.0"):
        write_page(tmp_path / "new")
    assert not kept.exists() and not (tmp_path / "new").exists()


def test_a_layer_without_a_rule_is_named():
    with pytest.raises(NetworkError, match="squeezenet has a MaxPooling2D, whose gradient has no rule"):
        gradient_graph(load_network("squeezenet"), "fire3", ["fire3"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A page with one small filter, as `deepdream page` writes it."
    if not has_chromium: pytest.skip("tests of the page need Chromium (Debian: apt install chromium)")
    import keras
    folder = tmp_path_factory.mktemp("page")
    keras.utils.set_random_seed(0)
    shape = dict(channels=[8, 8, 8, 8], blocks=[0, 1, 0, 0])
    card = dict(load_filter("heads").card, name="tiny", **shape)
    tiny = Filter(card, dream_network(**shape)).save(folder / "tiny.filter")
    with pytest.MonkeyPatch.context() as patch:  # larger and upright graphs would take long and show no more
        patch.setattr("deepdream_nb.apps.browser._SIZES", {True: ((192, 256),), False: ((128, 192),)})
        try: page_command(out=str(folder / "page"), filter=[str(tiny)])
        except PageError as error: pytest.skip(f"tests of the page need its runtime: {error}")
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_): pass


@pytest.fixture(scope="module")
def address(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder / "page"))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        with_tabs = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield with_tabs
        with_tabs.close()


@contextmanager
def visit(browser, address, **options):
    "A visitor's page, ready; whatever it asked for came from its own server, and nothing was sent there."
    context = browser.new_context(**{"viewport": dict(width=1280, height=900), **options})
    page, asked, wrong = context.new_page(), [], []
    page.on("request", lambda request: asked.append((request.method, request.url, request.post_data)))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.set_default_timeout(WAIT)
    page.goto(f"{address}/index.html")
    page.wait_for_selector("#start:enabled")
    yield page
    own = tuple(f"{scheme}{address}" for scheme in ("", "blob:"))
    assert not wrong
    assert all(how == "GET" and url.startswith(own) and not sent for how, url, sent in asked)
    context.close()


@pytest.fixture(scope="module")
def page(browser, address):
    with visit(browser, address) as page: yield page


def says(page, text, place="#status"): page.wait_for_selector(f"{place}:has-text('{text}')")


def drop(page, path, kind="image/png"):
    "Drop a file on the page."
    page.evaluate("""([bytes, name, type]) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], name, {type}));
        dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
    }""", [[*path.read_bytes()], path.name, kind])


def download(page, path):
    with page.expect_download() as found: page.click("#download")
    found.value.save_as(path)
    return path


@pytest.fixture(scope="module")
def photo(folder):
    "The path of a small photo, without loss."
    return save_image(load_image(sample("cat"), max_side=160), folder / "cat.png")


def test_its_mathematics_are_those_of_numpy(page):
    random = np.random.default_rng(1)
    image, step = random.random((23, 31, 3), "float32"), random.normal(size=(23, 31, 3)).astype("float32")
    found = page.evaluate("""async ([image, step]) => {
        const all = await import("./ascent.js"), of = data => all.picture(23, 31, Float32Array.from(data));
        const flat = ({data}) => [...data];
        return {random: [5, 2 ** 40 + 3].map(seed => all.randomIntegers(seed, 32, 40)),
            small: flat(all.resize(of(image), 11, 40)), large: flat(all.resize(of(image), 60, 17)),
            palette: all.paletteMatrix(of(image), 0.85), smooth: flat(all.smooth(of(step), 1.5)),
            rolled: flat(all.roll(of(image), 3, -5)),
            octaves: all.octaveSizes(457, 640, {octaves: 0, octave_scale: 1.7}),
            steps: [all.octaveSteps([14, 10, 5], 2), all.octaveSteps([14, 10, 5], 4), all.octaveSteps(7, 2)]};
    }""", [one.transpose(2, 0, 1).ravel().tolist() for one in (image, step)])

    def apart(name, wanted): return np.abs(np.array(found[name]) - wanted.transpose(2, 0, 1).ravel()).max()
    for seed, numbers in zip((5, 2**40 + 3), found["random"]):
        assert numbers == np.random.default_rng(seed).integers(-32, 33, (20, 2)).ravel().tolist()
    assert apart("small", resize(image, (11, 40))) < 1e-6 and apart("large", resize(image, (60, 17))) < 1e-6
    assert apart("rolled", np.roll(image, (3, -5), (0, 1))) == 0
    assert np.abs(np.array(found["palette"]) - palette_matrix(image, 0.85)).max() < 1e-6
    assert found["octaves"] == [[158, 221], [269, 376], [457, 640]]
    assert found["steps"] == [[10, 5], [14, 14, 10, 5], [7, 7]]
    from deepdream_nb.ascent import _smooth, _smoothing_kernel
    wanted = _smooth(tensorflow().constant(step[None]), tensorflow().constant(_smoothing_kernel(1.5)))
    assert apart("smooth", wanted.numpy()[0]) < 1e-5


def test_a_dream_by_a_dropped_recipe_is_that_of_the_command(page, folder, photo, lite0):
    ours = make_dream(photo, SHORT, network=lite0, progress=False)
    drop(page, save_dream(ours, folder / "ours.png"))
    says(page, "The recipe inside ours.png is set")
    page.set_input_files("#file", photo)
    says(page, "cat.png is ready. It has 160x106 pixels, so it will be shrunk to 96x64")
    page.click("#start")
    says(page, "Done in")
    made = download(page, folder / "theirs.png")
    record = read_record(made)
    assert (record.recipe, record.fingerprint, record.photo) == (
        ours.record.recipe, lite0.fingerprint, ours.record.photo)
    images = SHORT.fitted(load_image(photo)), ours.image, load_image(made)
    before, aim, value = [measure(lite0, SHORT.objective, one) for one in images]
    assert images[2].shape == ours.image.shape
    assert (value - before) / (aim - before) == pytest.approx(1, abs=0.05)
    assert replay(made, photo, progress=False).mean_difference < 10
    says(page, "the objective went from", "#steps")
    page.click("text=Show the photo")
    page.click("text=Show the dream")
    assert page.get_attribute("#picture", "aria-label") == "The dream of cat.png"


def test_stop_in_the_middle(page, folder, photo):
    page.set_input_files("#file", photo)
    page.check("[name=wish][value=weave]", force=True)
    page.select_option("#size", "320")
    page.click("text=All settings of the recipe")
    page.fill("#set-steps", "500")
    page.press("#set-steps", "Tab")
    page.click("#start")
    says(page, "of 500", "#steps")
    assert page.is_disabled("#start") and page.is_visible("#progress")
    drop(page, photo)
    says(page, "Stop the dream first", "#error")
    page.click("#stop")
    says(page, "Stopped. Download keeps the picture as it is.")
    assert page.is_enabled("#start") and page.is_disabled("#stop")
    made = load_image(download(page, folder / "half.png"))
    assert made.shape == (125, 188, 3)  # the first of two sizes
    with pytest.raises(Exception, match="carries no recipe"): read_record(folder / "half.png")
    page.fill("#set-steps", "many")
    page.press("#set-steps", "Tab")
    says(page, "Steps is a number", "#error")


def test_what_is_no_picture_changes_nothing(page, folder, photo):
    page.set_input_files("#file", photo)
    says(page, "cat.png is ready")
    (folder / "text.png").write_text("no picture at all")
    drop(page, folder / "text.png")
    says(page, "text.png is not a picture that this browser can read. Your photo has not changed.", "#error")
    assert page.get_attribute("#picture", "aria-label") == "The photo cat.png" and page.is_enabled("#start")
    recipe = Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=1, max_side=64)
    drop(page, save_dream(make_dream(photo, recipe, progress=False), folder / "other.png"))
    says(page, "The recipe in other.png uses the network squeezenet, which this page cannot do", "#error")
    page.fill("#class", "castl")
    page.press("#class", "Tab")
    says(page, "The network knows no “castl”, but castle", "#error")


def test_a_filter_on_a_photo_and_on_the_camera(page, folder):
    wide = save_image(np.clip(resize(load_image(sample("cat")), (128, 192)), 0, 1), folder / "wide.png")
    page.click("#tab-filter")
    page.set_input_files("#file", wide)
    page.wait_for_function("document.getElementById('picture').ariaLabel === 'wide.png through tiny'")
    says(page, "Filtered in")
    page.fill("#filter-strength", "0.5")
    page.dispatch_event("#filter-strength", "change")
    page.wait_for_selector("#start:enabled")
    made = download(page, folder / "filtered.png")
    assert read_record(made).recipe == FilterRecipe("tiny", 0.5, 512, 1)
    again = replay(made, wide, str(folder / "tiny.filter"))
    assert again.mean_difference < 0.5, again
    page.check("[name=source][value=camera]")
    page.click("#start")
    says(page, "pictures a second", "#steps")
    page.click("#stop")
    says(page, "Stopped. Download keeps the last picture.")
    assert read_record(download(page, folder / "camera.png")).recipe.filter == "tiny"
    assert load_image(folder / "camera.png").shape == (192, 256, 3)
    (folder / "torn.mp4").write_bytes(b"no film at all")
    page.check("[name=source][value=film]")
    page.set_input_files("#film", folder / "torn.mp4")
    says(page, "torn.mp4 cannot be played by this browser.", "#error")


def test_by_keyboard_and_on_a_phone(browser, address):
    with visit(browser, address, viewport=dict(width=390, height=844), color_scheme="dark") as page:
        page.focus("[name=wish]:checked")
        page.keyboard.press("ArrowRight")
        assert page.input_value("[name=wish]:checked") == "heads"
        page.focus("#tab-dream")
        page.keyboard.press("ArrowRight")
        assert page.get_attribute("#tab-filter", "aria-selected") == "true"
        assert page.is_visible("#panel-filter")
        unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select, progress, canvas")]
            .filter(one => !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
            .map(one => one.outerHTML)""")
        assert not unnamed
        for tab in ("#tab-filter", "#tab-dream"):
            page.click(tab)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_opened_as_a_file_it_says_what_to_do(browser, folder):
    page = browser.new_page()
    page.goto((folder / "page" / "index.html").as_uri())
    says(page, "python -m http.server", "#error")
    page.close()


def test_the_page_is_small_and_whole(folder, lite0):
    files = {path.relative_to(folder / "page").as_posix(): path.stat().st_size
             for path in (folder / "page").rglob("*") if path.is_file()}
    assert sum(files.values()) < 25_000_000 - 4 * 550_000  # so much have the filters of the course
    page = json.loads((folder / "page" / "page.json").read_text())
    assert [layer["name"] for layer in page["layers"]] == offered(lite0)  # those whose gradients are tested
    text = json.dumps(page)
    for name in files:
        if name.startswith(("models/", "photos/", "runtime/")): assert f'"{name}"' in text, name

"""The panels in a real browser: the web page of `deepdream panels`, and JupyterLab in its dark theme.

The pictures of the lessons are made here: DEEPDREAM_SCREENSHOTS=data/panels pytest tests/test_panels.py
"""
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest
import requests
from conftest import chromium, has_browser
from processes import COMMAND

from deepdream_nb.apps.explorer import BoxForm, ChannelSum, LayerPick
from deepdream_nb.apps.forms import CodeBox, ObjectiveText, RecipeNames, command_line
from deepdream_nb.apps.mixer import MixerForms
from deepdream_nb.apps.parts import StartStop, Watch
from deepdream_nb.apps.studio import DreamForms, DreamWork, FilterForm, GuideForm, LayerChoice
from deepdream_nb.filters import FilterRecipe
from deepdream_nb.images import load_image, sample, save_image
from deepdream_nb.networks import load_network
from deepdream_nb.objectives import layer
from deepdream_nb.recipes import Recipe, recipes
from deepdream_nb.records import read_record, recipe_text
from deepdream_nb.workshop.widgets import UPLOAD_LIMIT, Message
from deepdream_nb.workshop.work import Turns

WAIT = 300_000  # ms: a loaded machine may take long, and a good run never waits for it
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def serving(arguments, address, folder, **environment):
    "A server as a process, from the moment that it answers."
    kept = {name: value for name, value in os.environ.items() if name != "DEEPDREAM_WEIGHTS"}
    log = open(folder / "server.log", "wb")
    process = subprocess.Popen([*map(str, arguments)], cwd=folder,
                               env={**kept, "DEEPDREAM_DREAMS": str(folder / "kept"), **environment},
                               stdout=log, stderr=log)
    try:
        end = time.monotonic() + 300
        while True:
            try:
                requests.get(f"{address}/no-such-page", timeout=5, allow_redirects=False)
                break
            except requests.ConnectionError:
                assert process.poll() is None and time.monotonic() < end, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try: process.wait(20)
        except subprocess.TimeoutExpired: process.kill()
        for child in children:
            if child.is_running(): child.kill()
        log.close()


@pytest.fixture(scope="module")
def browser():
    if not has_browser: pytest.skip("the panels' tests need Chromium (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        with_tabs = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield with_tabs
        with_tabs.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "The address of a running `deepdream panels`, and its process."
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    (folder / "private.png").write_bytes(sample("cat").read_bytes())
    address, arguments = f"http://127.0.0.1:{port}", [*COMMAND, "panels", "--no-browser", "--port", port]
    with serving(arguments, address, folder) as process: yield address, process


def visit(browser, address, width=1280, **options):
    "A visitor's page, the panels drawn; it has a clipboard of its own."
    context = browser.new_context(viewport=dict(width=width, height=900), accept_downloads=True,
                                  permissions=["clipboard-read", "clipboard-write"], **options)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.locator("button:visible:text-is('Start')").wait_for()
    return page


@pytest.fixture(scope="module")
def page(browser, site):
    page = visit(browser, site[0])
    yield page
    page.context.close()


def tab(page, title): page.get_by_role("tab", name=title, exact=True).click()


def shown(page, css): return page.locator(f"{css}:visible")


def field(page, label, kind="select"):
    "The input with a label, on the tab that is shown."
    return page.locator(f".jupyter-widgets:visible:has(> label:text-is('{label}')) {kind}:visible").first


def press(page, name): page.locator(f"button:visible:text-is('{name}')").first.click()


def picture(page, label):
    "The address of the picture with a text, which changes with every new picture."
    return page.locator(f".deepdream-picture:visible img.under[alt*='{label}']").get_attribute("src")


def becomes(page, check, argument=None): return page.wait_for_function(check, arg=argument, timeout=WAIT)


def changed(page, label, old):
    "Wait until a picture is another one, and loaded."
    becomes(page,
            "([label, old]) => { const img = document.querySelector(`.deepdream-picture "
            "img.under[alt*='${label}']`); return img && img.src !== old && img.naturalWidth > 0 }",
            [label, old])


def says(page, text):
    page.wait_for_selector(f"[role=alert]:has-text('{text}'), [role=status]:has-text('{text}')", timeout=WAIT)


def status_is(page, text):
    page.locator(f".widget-label:visible:text-is('{text}')").first.wait_for(timeout=WAIT)


def quiet(page, seconds=1.5):
    "Wait until no panel has said for some time that it loads or draws."
    busy = page.locator("[role=status]:visible", has_text=re.compile("drawing|loading"))
    since, end = time.monotonic(), time.monotonic() + WAIT / 1000
    while time.monotonic() - since < seconds:
        assert time.monotonic() < end
        page.wait_for_timeout(100)
        if busy.count(): since = time.monotonic()


def screenshot(page, name, height=1000):
    "Keep a picture of the page for the lesson, where it is asked for."
    folder, size = os.environ.get("DEEPDREAM_SCREENSHOTS"), page.viewport_size
    if not folder: return
    page.set_viewport_size(dict(size, height=height))
    page.evaluate("document.querySelectorAll('*').forEach(e => { e.scrollTop = 0 })")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    save_image(load_image(page.screenshot(), max_side=1000), Path(folder) / f"{name}.jpg", quality=45)
    page.set_viewport_size(size)


def nothing_cut_off(page):
    "No card and no control is wider than the place that it has, nor is the page wider than the window."
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.jupyter-widgets')]
        .filter(e => e.offsetParent && e.getClientRects().length)
        .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1
                     || e.scrollWidth > e.clientWidth + 12 && getComputedStyle(e).overflowX !== 'visible'
                     && !e.matches('select, textarea'))
        .map(e => `${e.className} ${e.scrollWidth} > ${e.clientWidth}: ${e.textContent.slice(0, 40)}`)""")
    assert not wide, wide
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def kernels(process):
    "The kernels of a server, without those that have ended."
    found = [child for child in psutil.Process(process.pid).children(recursive=True)
             if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in found if "ipykernel" in " ".join(child.cmdline())]


def is_busy(process):
    "Whether a thread of a process runs, or would if it were its turn (as Linux tells)."
    try:
        return any(file.read_text().rpartition(")")[2].split()[0] in "RD"
                   for file in Path(f"/proc/{process.pid}/task").glob("*/stat"))
    except OSError: return True  # a thread has just ended


def at_rest(process, besides=(), samples=30):
    "The one kernel of a server besides some, once it has TensorFlow and nothing left to do."
    seen, end = deque([True], maxlen=samples), time.monotonic() + WAIT / 1000
    while len(seen) < samples or sum(seen) > samples / 6:
        assert time.monotonic() < end
        time.sleep(0.1)
        found = [kernel for kernel in kernels(process) if kernel not in besides]
        if len(found) != 1 or found[0].memory_info().rss < 300 * 2**20: seen.clear()
        else: seen.append(is_busy(found[0]))
    return found[0]


def kernel_of(page, process):
    "The kernel of a page."
    name = page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")
    return next(kernel for kernel in kernels(process) if any(name in word for word in kernel.cmdline()))


def settings(page, steps, size):
    "Small settings for the studio, typed into the numbers beside its sliders."
    for label, value in (("Steps", steps), ("Size", size)):
        number = page.locator(f".widget-slider:visible:has(> label:text-is('{label}')) .widget-readout")
        number.click()
        number.fill(str(value))
        number.press("Enter")


def recipe_picture(page, name):
    pictures = page.locator(".deepdream-gallery[aria-label='Recipes']:visible")
    return pictures.locator(f"button:has(span:text-is('{name}'))")


def test_the_page_opens_on_a_dream_and_calls_it_by_its_recipe(page):
    assert page.locator("h1:visible").inner_text() == "Deep dreams"
    assert page.locator("button:visible:text-is('Use its recipe')").is_disabled()  # nothing was made yet
    recipe_picture(page, "fur").click()
    becomes(page, "e => e.value === 'fur'", field(page, "Recipe").element_handle())
    page.wait_for_selector(".deepdream-copy:visible pre:has-text('recipe = recipes[\"fur\"]')")
    press(page, "Start")
    history(page).nth(0).filter(has_text="fur").wait_for()
    status_is(page, "done")
    assert page.locator("a[download]:visible").get_attribute("download") == "cat.fur.png"
    assert page.locator("button:visible:text-is('Use its recipe')").is_enabled()


def test_a_phone_shows_the_picture_first_and_a_tall_photo_whole(browser, site, page, tmp_path):
    tall = np.zeros((700, 300, 3), "float32")
    save_image(tall, tmp_path / "tall.png")
    phone = visit(browser, site[0], width=390)
    first = phone.locator(".deepdream-picture:visible").bounding_box()
    assert first["y"] < phone.locator("label:visible:text-is('Steps')").bounding_box()["y"]
    phone.locator(".deepdream-upload:visible input").first.set_input_files(tmp_path / "tall.png")
    says(phone, "tall.png is there")
    becomes(phone, "e => e.clientHeight > 600 && e.clientHeight <= 0.75 * innerHeight + 1",
            phone.locator(".deepdream-picture:visible").element_handle())
    nothing_cut_off(phone)
    phone.context.close()


def test_layer_channel_box_and_hand_over(page):
    from playwright.sync_api import expect
    tab(page, "Explore layers")
    quiet(page)
    before = page.locator(".deepdream-gallery:visible button img").first.get_attribute("src")
    field(page, "Layer").select_option(label="block5, 80 channels")
    says(page, "drawing what the channels like")
    quiet(page)
    assert page.locator(".deepdream-gallery[aria-label='Channels, by number'] button").count() == 24
    assert page.locator(".deepdream-gallery:visible button img").first.get_attribute("src") != before
    field(page, "Layer").select_option(label="block6_add, 80 channels")  # back, as in the lessons' picture
    page.wait_for_selector("text=block6_add, channel")
    quiet(page)
    large = picture(page, "likes")
    fifth = page.locator(".deepdream-gallery[aria-label='Channels, by number'] button").nth(4)
    number = fifth.inner_text().strip()
    fifth.focus()
    page.keyboard.press("Enter")  # without a mouse
    page.wait_for_selector(f"text=block6_add, channel {number}")
    assert fifth.get_attribute("aria-pressed") == "true"
    changed(page, f"channel {number} likes", large)
    area = page.locator(".deepdream-picture.active:visible").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.35 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
    page.mouse.up()
    page.wait_for_selector("text=30 – 60")
    press(page, "Which channels like this box?")
    page.wait_for_function("([select]) => select.value === 'strongest in the box'",
                           arg=[field(page, "Order").element_handle()])
    becomes(page, f"!document.body.innerText.includes('block6_add, channel {number}:')")
    quiet(page)
    press(page, "Add the channel")
    page.wait_for_selector("text=can be dreamt of >> visible=true")
    objective = field(page, "Objective", "textarea").input_value()
    assert re.fullmatch(r'channel\("block6_add", \d+\)', objective)
    nothing_cut_off(page)
    screenshot(page, "explorer", 1140)
    press(page, "Dream on it")
    page.locator("button:visible:text-is('Start')").wait_for()
    expect(field(page, "Objective", "textarea")).to_have_value(objective, timeout=WAIT)
    tab(page, "Explore layers")
    field(page, "Objective", "textarea").fill("")
    field(page, "Objective", "textarea").press("Tab")
    field(page, "Photo").select_option("dahlia")
    quiet(page)
    number = page.locator(".widget-text:visible:has(> label:text-is('Channel')) input").input_value()
    press(page, "Dream on it")  # the channel in view, on the photo in view
    page.locator("button:visible:text-is('Start')").wait_for()
    becomes(page, "e => e.value === 'dahlia'", field(page, "Photo").element_handle())
    wanted = f'channel("block6_add", {number})'
    expect(field(page, "Objective", "textarea")).to_have_value(wanted, timeout=WAIT)
    field(page, "Photo").select_option("cat")


def test_dream_preview_and_stop(page, tmp_path):
    tab(page, "Dream")
    field(page, "Recipe").select_option("default")
    settings(page, 60, 450)
    old = picture(page, "The picture")
    press(page, "Start")
    changed(page, "The picture", old)
    page.wait_for_selector("text=/octave \\d of 2, \\d+%, \\d+ s left/")
    press(page, "Stop")
    status_is(page, "stopped")
    assert page.locator("button:visible:text-is('Start')").is_enabled()
    settings(page, 12, 448)
    press(page, "Start")
    status_is(page, "done")
    with page.expect_download() as download: page.locator("a[download]:visible").click()
    download.value.save_as(tmp_path / "saved.png")
    assert read_record(tmp_path / "saved.png").recipe.steps == (12, 9, 4)
    assert download.value.suggested_filename == "cat.dream.png"
    nothing_cut_off(page)
    if os.environ.get("DEEPDREAM_SCREENSHOTS"): at_its_best(page)
    settings(page, 33, 448)
    page.locator(".deepdream-upload:visible input").last.set_input_files(tmp_path / "saved.png")
    says(page, "the recipe in saved.png is loaded")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.widget-slider')].some(e => e.innerText.includes('Steps') && "
        "e.innerText.includes('12'))")


def at_its_best(page):
    "The studio with a dream that is worth a picture of it."
    made = history(page).count()
    field(page, "Photo").select_option("mountains")
    field(page, "Recipe").select_option("default")
    press(page, "Start")
    history(page).nth(made).wait_for()
    status_is(page, "done")
    screenshot(page, "studio")
    field(page, "Photo").select_option("cat")


def numbers(page, label):
    "What stands beside a slider."
    return page.locator(f".widget-slider:visible:has(> label:text-is('{label}')) .widget-readout")


def history(page): return page.locator(".deepdream-gallery[aria-label^='What was made']:visible button")


def test_one_pass_of_a_filter(page, tmp_path):
    tab(page, "Dream")
    filters, strip = field(page, "Filter"), history(page)
    made = strip.count()
    filters.focus()
    page.keyboard.type("swirls")  # without a mouse
    becomes(page, "e => e.disabled", field(page, "Objective", "textarea").element_handle())
    says(page, "Start keeps this picture")  # it is shown already
    handle = page.locator(".noUi-handle[aria-label='Strength']:visible")
    handle.focus()
    old = picture(page, "The picture")
    for _ in range(2): handle.press("ArrowLeft")
    changed(page, "The picture", old)  # without Start
    numbers(page, "Strength").filter(has_text="0.80").wait_for()
    press(page, "Start")
    strip.nth(0).filter(has_text="swirls, strength 0.8").wait_for()
    assert strip.count() == made + 1
    with page.expect_download() as download: page.locator("a[download]:visible").click()
    download.value.save_as(tmp_path / "fast.png")
    recipe = read_record(tmp_path / "fast.png").recipe
    assert (recipe.kind, recipe.filter, recipe.strength) == ("filter", "swirls", 0.8)
    assert download.value.suggested_filename.endswith(".swirls.png")
    for language, text in (("Python", "recipe = FilterRecipe("),
                           ("Command", "--filter swirls --strength 0.8"), ("Recipe", '"kind": "filter"')):
        press(page, language)
        page.wait_for_selector(f".deepdream-copy:visible pre:has-text('{text}')")
    nothing_cut_off(page)
    filters.select_option(label="none: the full dream")
    becomes(page, "e => !e.disabled", field(page, "Objective", "textarea").element_handle())
    press(page, "Use its recipe")
    becomes(page, "e => e.selectedOptions[0].label === 'swirls'", filters.element_handle())
    filters.select_option(label="none: the full dream")
    becomes(page, "e => !e.disabled", field(page, "Objective", "textarea").element_handle())
    page.locator(".deepdream-upload:visible input").last.set_input_files(tmp_path / "fast.png")
    says(page, "the recipe in fast.png is loaded")
    assert filters.evaluate("e => e.selectedOptions[0].label") == "swirls"
    filters.select_option(label="none: the full dream")
    becomes(page, "e => !e.disabled", field(page, "Objective", "textarea").element_handle())
    settings(page, 2, 128)
    press(page, "Start")
    strip.nth(made + 1).wait_for()
    assert "swirls" not in strip.nth(0).inner_text()


def test_the_recipe_is_copied(page):
    tab(page, "Dream")
    command = "deepdream dream your-photo.jpg"
    for language, text in (("Command", command), ("Python", "follow(recipe, photo)")):
        press(page, language)
        page.wait_for_selector(f".deepdream-copy:visible pre:has-text('{text}')")
        press(page, "Copy")
        page.locator("button:visible:text-is('Copied')").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == page.locator(
            ".deepdream-copy:visible pre").inner_text()


def test_uploads_good_and_bad(page, tmp_path):
    from playwright.sync_api import expect
    tab(page, "Dream")
    upload = page.locator(".deepdream-upload:visible input").first
    save_image(load_image(sample("raccoon"), max_side=200), tmp_path / "mine.jpg")
    old = picture(page, "The picture")
    upload.set_input_files(tmp_path / "mine.jpg")
    expect(field(page, "Photo")).to_have_value("mine.jpg", timeout=WAIT)  # a picture of before may come late
    changed(page, "The picture", old)
    (tmp_path / "no <b>picture.jpg").write_text("this is a text")
    (tmp_path / "huge.jpg").write_bytes(sample("cat").read_bytes() + bytes(UPLOAD_LIMIT))
    upload.set_input_files(tmp_path / "no <b>picture.jpg")
    says(page, "is not a picture")
    assert page.locator("[role=alert] b").count() == 0
    upload.set_input_files(tmp_path / "huge.jpg")
    says(page, "huge.jpg is larger than 8 MB")
    assert field(page, "Photo").input_value() == "mine.jpg"
    settings(page, 2, 128)
    press(page, "Start")  # the panel lives
    status_is(page, "done")


def test_a_file_is_dropped(page, tmp_path):
    "A real drop, as the browser gets it from the desktop."
    tab(page, "Dream")
    save_image(load_image(sample("coffee"), max_side=120), tmp_path / "dropped.png")
    place = page.locator(".deepdream-upload:visible").first
    place.scroll_into_view_if_needed()
    box, session = place.bounding_box(), page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent",
                     dict(type=kind, x=box["x"] + 20, y=box["y"] + 10,
                          data=dict(items=[], files=[str(tmp_path / "dropped.png")], dragOperationsMask=1)))
    says(page, "dropped.png is there")


def test_the_wipe_moves_without_the_kernel(page):
    tab(page, "Compare")
    over = page.locator(".deepdream-picture:visible img.over").first
    before = over.evaluate("e => e.style.clipPath")
    handle = page.locator(".widget-slider:visible .noUi-handle").first
    handle.focus()
    for _ in range(5): handle.press("ArrowLeft")
    assert over.evaluate("e => e.style.clipPath") != before == "inset(0px 0px 0px 50%)"
    area = page.locator(".deepdream-picture.active:visible").first.bounding_box()
    page.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 100)
    page.mouse.down()
    # rapidly
    for at in np.linspace(0.2, 0.7, 40): page.mouse.move(area["x"] + at * area["width"], area["y"] + 100)
    page.mouse.up()
    assert over.evaluate("e => e.style.clipPath") == "inset(0px 0px 0px 70%)"
    page.wait_for_selector(".widget-readout:visible:text-is('70')")
    field(page, "Left").select_option("cat")
    made = field(page, "Right").locator("option", has_text=" 1 of cat").get_attribute("value")
    field(page, "Right").select_option(made)
    page.wait_for_selector(
        f".deepdream-picture:visible img.under[alt='cat on the left, {made} on the right']")
    nothing_cut_off(page)
    screenshot(page, "compare", 860)
    press(page, "difference")
    page.wait_for_selector(".deepdream-picture:visible img.under[alt*=' less ']")
    press(page, "side by side")
    becomes(page,
            "[...document.querySelectorAll('.deepdream-picture')].filter(e => e.offsetParent).length === 2")


def test_styles_are_mixed(page):
    tab(page, "Mix styles")
    field(page, "Second style").select_option("raccoon")
    settings(page, 30, 400)
    press(page, "Command")
    command = "deepdream style your-content.jpg your-style.jpg your-second-style.jpg"
    page.wait_for_selector(f".deepdream-copy:visible pre:has-text('{command}')")
    press(page, "Start")
    status_is(page, "done")
    nothing_cut_off(page)
    screenshot(page, "mixer", 860)
    tab(page, "Compare")
    assert field(page, "Right").input_value() == "style 1 of cat"


def test_the_mixer_loads_a_recipe(page, tmp_path):
    tab(page, "Mix styles")
    made = history(page).count()
    settings(page, 1, 96)
    press(page, "Start")
    history(page).nth(made).wait_for()
    with page.expect_download() as download: page.locator("a[download]:visible").click()
    download.value.save_as(tmp_path / "painted.png")
    settings(page, 50, 400)
    field(page, "Second style").select_option("none")
    save_image(load_image(sample("cat"), max_side=64), tmp_path / "dreamt.png",
               note=json.dumps({"deepdream_filter": "swirls", "strength": 1}))
    (tmp_path / "dream.json").write_text(recipe_text(Recipe()))
    upload = page.locator(".deepdream-upload:visible input").last
    for name, kind in (("dreamt.png", "filter"), ("dream.json", "dream")):
        upload.set_input_files(tmp_path / name)
        page.wait_for_selector(
            f"[role=alert]:visible:has-text('this is the recipe of a {kind}; the studio follows it')")
        upload.set_input_files(tmp_path / "painted.png")
        page.wait_for_selector(
            "[role=status]:visible:has-text('the recipe in painted.png is loaded; choose the style pictures "
            "that it had')")
    for label, value in (("Steps", "1"), ("Size", "96"), ("Style", "8.00")):
        assert numbers(page, label).inner_text() == value
    assert "--steps 1 " in page.locator(".deepdream-copy:visible pre").inner_text()
    nothing_cut_off(page)


@pytest.mark.parametrize("title", ["Explore layers", "Dream", "Mix styles", "Compare"])
def test_a_narrow_page(page, title):
    page.set_viewport_size(dict(width=768, height=1024))
    tab(page, title)
    page.wait_for_timeout(300)
    nothing_cut_off(page)
    page.set_viewport_size(dict(width=1280, height=900))


def test_all_can_be_reached_and_have_names(page):
    for title in ("Explore layers", "Dream", "Mix styles", "Compare"):
        tab(page, title)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, select, textarea, input, img')]
            .filter(e => e.offsetParent && !e.hidden)
            .filter(e => !(e.textContent.trim() || e.title || e.alt || e.ariaLabel || e.labels?.length
                           || e.closest('label, button'))).map(e => e.outerHTML.slice(0, 120))""")
        assert not nameless
        assert page.evaluate(
            "[...document.querySelectorAll('.noUi-handle')].filter(e => e.offsetParent).every(e => "
            "e.tabIndex === 0 && e.ariaLabel)")


def test_a_second_visitor_sees_nothing_of_the_first(browser, site, page):
    tab(page, "Dream")
    mine = field(page, "Photo").evaluate("e => [...e.options].map(o => o.value)")
    other = visit(browser, site[0])
    tab(other, "Dream")
    field(other, "Photo").wait_for()
    theirs = field(other, "Photo").evaluate("e => [...e.options].map(o => o.value)")
    assert "mine.jpg" in mine and not set(theirs) & {"mine.jpg", "dropped.png"}
    first, second = [kernel_of(visitor, site[1]) for visitor in (page, other)]
    assert first != second
    settings(other, 60, 448)
    old = picture(other, "The picture")
    press(other, "Start")
    changed(other, "The picture", old)
    other.goto("about:blank")  # in the middle of a dream
    end = time.monotonic() + 100
    while second in kernels(site[1]):
        assert time.monotonic() < end
        time.sleep(0.3)
    settings(page, 2, 128)
    press(page, "Start")  # the first visitor goes on
    status_is(page, "done")


def test_a_warm_kernel_waits_for_the_next_visitor(browser, site, page):
    mine = kernel_of(page, site[1])
    waiting = at_rest(site[1], [mine])
    other = visit(browser, site[0])
    assert kernel_of(other, site[1]) == waiting
    tab(other, "Dream")
    other.evaluate(
        """() => { window.said = [];
        const texts = () => [...document.querySelectorAll('[role=status], .widget-label')];
        new MutationObserver(() => window.said.push(...texts().map(e => e.textContent)))
        .observe(document.body, { childList: true, subtree: true, characterData: true }) }""")
    old = picture(other, "The picture")
    press(other, "Start")
    changed(other, "The picture", old)
    said = other.evaluate("window.said")
    assert any(text.startswith("octave ") for text in said) and not any("TensorFlow" in text for text in said)
    at_rest(site[1], [mine, waiting])  # for the one after that
    other.context.close()


def test_the_idle_time_of_a_kernel_begins_with_its_visitor(tmp_path):
    (tmp_path / "voila.json").write_text(
        json.dumps({"MappingKernelManager": {"cull_idle_timeout": 4, "cull_interval": 1}}))
    port = free_port()
    with serving([*COMMAND, "panels", "--no-browser", "--port", port], f"http://127.0.0.1:{port}",
                 tmp_path) as process:
        waiting = at_rest(process, samples=60)
        start = time.monotonic()
        requests.get(f"http://127.0.0.1:{port}", timeout=60)  # a visitor who goes without a word
        while waiting in kernels(process):
            assert time.monotonic() - start < 100
            time.sleep(0.1)
        assert time.monotonic() - start > 3


def test_a_dream_chosen_while_another_network_loads_is_kept(squeezenet, monkeypatch):
    "As the explorer hands one over; the objective of before, which does not fit, has to give way meanwhile."
    forms = DreamForms(lambda text, bad=False: None, None,
                       {"squeezenet": squeezenet, "lite0": load_network("lite0")})
    layers, typed, wanted = forms.layers, forms.objective, 'channel("block6_add", 35)'
    layers.choose("squeezenet", 'layer("fire5")')
    layers.network.value = "lite0"
    read, chosen = typed.objective, []

    def read_slowly():
        found = read()
        if layers.layers.options and not chosen:  # they are being offered, and what was read is out of date
            chosen.append(Thread(target=layers.choose, args=("lite0", wanted)))
            chosen[0].start()
            chosen[0].join(1)
        return found

    monkeypatch.setattr(typed, "objective", read_slowly)
    DreamWork(forms).network()
    chosen[0].join()
    assert typed.text.value == wanted and layers.layers.value == ("block6_add",)


def test_parts_stand_alone(squeezenet):
    "Without a panel, and without the other parts."
    networks, heard, used = {"squeezenet": squeezenet}, [], []
    def say(text, bad=False): heard.append(text)
    box, pick, total = BoxForm(), LayerPick(networks), ChannelSum(say, lambda *found: used.append(found))
    box.rows.value = 10, 50
    assert box.picture.box == [0, 0.1, 1, 0.5]
    pick.offer(squeezenet)
    total.add(pick.layer.value, 3)
    total.hand_over("squeezenet", "a photo")
    assert used == [("squeezenet", f'channel("{pick.layer.value}", 3)', "a photo")]
    typed, names = ObjectiveText(), RecipeNames(networks, used.append)
    names.choice.value = "fur"
    assert used[-1] == recipes["fur"]
    GuideForm(say, typed).add()
    assert heard == ["the network is not loaded yet"]
    choice, filters = LayerChoice(networks, typed), FilterForm()
    typed.add(layer("fire3"))
    choice.layers.options = ["fire3", "fire5"]
    choice.mark()
    assert choice.layers.value == ("fire3",) and filters.recipe(100) is None
    filters.filter.value = "swirls"
    assert filters.recipe(100) == FilterRecipe("swirls", 1, 100)
    assert DreamWork(DreamForms(say, None, networks)).network() is squeezenet
    assert MixerForms(say, None, (), networks).recipe().pooling == squeezenet.pooling
    head, message, watch = StartStop(lambda: used.append("start"), None), Message(value="ready"), Watch()
    head.start.click()
    assert used[-1] == "start" and message.value == "ready" and watch.left(0.1) == ""
    assert CodeBox().text.value == "" and not Turns().queue


class Asked(Exception):
    "What the command would have followed."


@pytest.mark.parametrize("recipe", [
    recipes["default"], replace(recipes["default"], steps=(28, 20, 10), seed=3), Recipe(), recipes["swirls"],
    replace(recipes["fur"], steps=(9, 8), palette=0.5, dtype="bfloat16"),
    replace(recipes["default"], network="squeezenet", objective='layer("fire3")', pooling="average",
            guide_colors=0.0),
])
def test_the_command_to_copy_follows_the_recipe(monkeypatch, tmp_path, recipe):
    from deepdream_nb.apps import cli_dreams
    from deepdream_nb.apps.cli import load_app
    def ask(image, recipe, **_): raise Asked(recipe)
    monkeypatch.setattr(cli_dreams, "make_dream", ask)
    words = shlex.split(command_line("dream", str(sample("cat")), recipe=recipe))[1:]
    with pytest.raises(Asked) as asked:
        load_app()([*words, "--out", str(tmp_path / "a.png")], standalone_mode=False)
    assert asked.value.args[0] == recipe, words


def test_a_command_to_copy_leaves_out_colours_of_a_guide_that_is_not_there():
    recipe = replace(recipes["default"], network="squeezenet", objective='layer("fire3")')
    assert recipe.guide_colors and "--guide-colors" not in command_line("dream", "cat.jpg", recipe=recipe)
    guided = replace(recipe, objective='contrast("fire3", "guide")', guide_colors=0.5)
    assert "--guide-colors 0.5" in command_line("dream", "cat.jpg", recipe=guided)


def test_a_click_that_comes_first_says_what_it_waits_for():
    "In a process that has no TensorFlow yet."
    code = """
from deepdream_nb.apps.page import panels
studio, explorer, mixer, compare = panels(network="squeezenet").panels.values()
status = studio.runner.head.status
print(studio.message.value, explorer.message.value, sep="\\n")
studio.set_state(steps=1, octaves=1, max_side=96)
studio.start()
print(status.value)
studio.wait()
print(status.value)
studio.start()
print(status.value)
studio.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    waits = "loading TensorFlow, some seconds the first time"
    assert done.stdout.splitlines() == [waits, waits, waits, "done", "getting ready"]


def test_memory_is_level():
    "Of twenty runs with pictures and settings that change, in a process of its own."
    code = """
from deepdream_nb.tiles import resident_memory
from deepdream_nb.apps.page import panels
studio, explorer, mixer, compare = panels(network="squeezenet").panels.values()
status = studio.runner.head.status
explorer.set_state(view="where they answer")
def run(number):
    photo, side = ("cat", "coffee", "rocket")[number % 3], 96 + 16 * (number % 4)
    studio.set_state(photo=photo, seed=number, max_side=side, steps=3, octaves=2)
    studio.start()
    explorer.set_state(page=1 + number % 5, channel=number)
    for panel in (studio, explorer): panel.wait()
    assert status.value == "done" and not studio.message.bad, (status.value, studio.message.value)
for number in range(15): run(number)
before = resident_memory()
for number in range(20): run(number)
print(resident_memory() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50 * 2**20


def test_only_the_page_is_served(site):
    address, process = site
    for path in ("private.png", "voila/files/private.png", "files/private.png",
                 "voila/files/Deep dreams.ipynb", "voila/render/private.png", "voila/tree", "tree",
                 "api/contents", "api/contents/private.png", "voila/files/../../etc/passwd",
                 "voila/files/%2e%2e/%2e%2e/etc/passwd", "static/../../../etc/passwd"):
        answer = requests.get(f"{address}/{path}", timeout=30)
        assert answer.status_code in (403, 404), path
    # nothing is made or run by a request from elsewhere
    for path in ("api/kernels", "api/sessions", "api/terminals", "api/contents", "voila/api/contents"):
        assert requests.post(f"{address}/{path}", json={}, headers={"Origin": "http://example.com"},
                             timeout=30).status_code in (403, 404, 405), path
    def listening(one):
        return {place.laddr.ip for place in one.net_connections() if place.status == psutil.CONN_LISTEN}
    server = psutil.Process(process.pid)
    assert listening(server) == {"127.0.0.1"}
    # What the kernels say, pictures included, goes through files that are the owner's alone: ports of this
    # computer could be listened to by all who have an account on it.
    names = [name for kernel in kernels(process) for name in kernel.cmdline() if name.endswith(".json")]
    assert names and all(json.loads(Path(name).read_text())["transport"] == "ipc" for name in names)
    assert all(Path(name).parent.stat().st_mode & 0o77 == 0 for name in names)
    secret = re.search(r"kernel-([0-9a-f-]{36})", names[0])[1]  # without which nobody reaches a kernel
    for path in ("api/kernels", "api/sessions", "voila/api/kernels"):
        assert secret not in requests.get(f"{address}/{path}", timeout=30).text, path


def test_the_terminal_shows_one_line(site):
    address, process = site
    log = Path(psutil.Process(process.pid).cwd(), "server.log").read_text()
    assert log == f"open {address}/; Ctrl-C ends it\n"


def test_a_server_that_is_gone_is_noticed(browser, tmp_path):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with serving([*COMMAND, "panels", "--no-browser", "--port", port], address, tmp_path) as process:
        page = visit(browser, address)
        for kernel in kernels(process): kernel.kill()
        process.kill()
        press(page, "Start")
        says(page, "The server does not answer.")
        page.context.close()


@pytest.mark.parametrize("options, message", [
    (("--ip", "nowhere.invalid"), "cannot listen at nowhere.invalid, port 8866: "),
    (("--port", "99999"), "Invalid value for '--port': "),
])
def test_an_address_that_cannot_be(deepdream, options, message):
    done = deepdream("panels", "--no-browser", *options, own_process=True)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and last.startswith(
        f"deepdream: {message}") and "Traceback" not in done.stderr, done.stderr


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "The address of a JupyterLab in its dark theme, with a notebook that shows the panels."
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    themes = folder / "settings" / "@jupyterlab" / "apputils-extension"
    themes.mkdir(parents=True)
    (themes / "themes.jupyterlab-settings").write_text(json.dumps({"theme": "JupyterLab Dark"}))
    (themes / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    from deepdream_nb.apps.page import page_notebook
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "panels.ipynb").write_text(page_notebook())
    arguments = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
                 "--IdentityProvider.token=", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
                 f"--ServerApp.root_dir={folder / 'notebooks'}"]
    own = {f"JUPYTERLAB_{name.upper()}_DIR": str(folder / name) for name in ("settings", "workspaces")}
    address = f"http://127.0.0.1:{port}"
    with serving(arguments, address, folder, **own): yield f"{address}/lab/tree/panels.ipynb"


def test_in_jupyterlab_and_its_dark_theme(browser, lab, tmp_path):
    context = browser.new_context(viewport=dict(width=1280, height=900))
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(lab)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_role("tab", name=re.compile("File Browser")).first.click()  # folded away: more room
    page.wait_for_selector("text=/ipykernel\\) \\| Idle/")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    page.locator(".jp-InputPrompt").first.filter(has_text=re.compile(r"\[[*1]\]")).wait_for()
    page.wait_for_selector(".deepdream-gallery button")
    quiet(page)
    dark = page.evaluate(
        """() => {
        const color = e => getComputedStyle(e).color.match(/\\d+/g).slice(0, 3);
        const light = e => color(e).reduce((a, b) => a + +b, 0) / 3;
        const texts = document.querySelectorAll('.deepdream-gallery span, .deepdream-upload label, h3');
        return [...texts].filter(e => e.offsetParent).map(light) }""")
    assert dark and min(dark) > 128, dark  # light letters
    tab(page, "Explore layers")
    quiet(page)
    large = picture(page, "likes")
    field(page, "Layer").select_option(label="block3, 40 channels")
    becomes(page, "document.body.innerText.includes('block3, channel')")
    page.locator(".deepdream-gallery[aria-label='Channels, by number'] button").nth(2).click()
    changed(page, "likes", large)
    tab(page, "Dream")
    settings(page, 60, 448)
    old = picture(page, "The picture")
    press(page, "Start")
    changed(page, "The picture", old)
    press(page, "Stop")
    status_is(page, "stopped")
    settings(page, 14, 448)
    press(page, "Start")
    status_is(page, "done")
    screenshot(page, "lab", 760)
    (tmp_path / "text.png").write_text("no picture")
    page.locator(".deepdream-upload:visible input").first.set_input_files(tmp_path / "text.png")
    says(page, "text.png is not a picture")
    press(page, "Command")
    page.wait_for_selector(".deepdream-copy:visible pre:has-text('deepdream dream your-photo.jpg')")
    tab(page, "Compare")
    over = page.locator(".deepdream-picture:visible img.over").first
    page.locator(".widget-slider:visible .noUi-handle").first.press("ArrowRight")
    becomes(page, "e => e.style.clipPath !== 'inset(0px 0px 0px 50%)'", over.element_handle())
    nothing_cut_off(page)
    context.close()

"""From the first look at the page of `deepdream panels` to the first preview of a dream, in a real browser.

    python tools/first_click.py [runs]

prints medians: of a page that a waiting kernel has ready, and of one whose server has only just been started.
"""
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from processes import COMMAND  # noqa: E402
from test_panels import FLAGS, WAIT, at_rest, chromium, free_port, serving, tab  # noqa: E402

CLICK_AND_WAIT = """() => new Promise(seen => {
    const shown = kind => [...document.querySelectorAll(kind)].filter(e => e.offsetParent);
    const picture = shown("img.under").find(e => e.alt === "The picture");
    const old = picture.src, start = performance.now();
    const drawn = () => picture.decode().then(() => seen((performance.now() - start) / 1000));
    const watcher = new MutationObserver(() => { if (picture.src !== old) drawn(); });
    watcher.observe(picture, { attributeFilter: ["src"] });
    shown("button").find(e => e.textContent.trim() === "Start").click();
})"""


def first_click(browser, address, pause):
    "Seconds until Start can be clicked on the page, and from the click to the first preview in sight."
    context = browser.new_context(viewport=dict(width=1280, height=900))
    page = context.new_page()
    page.set_default_timeout(WAIT)
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    tab(page, "Dream")
    page.locator("button:visible:enabled:text-is('Start')").wait_for()
    usable = time.perf_counter() - start
    page.wait_for_timeout(1000 * pause)
    waited = page.evaluate(CLICK_AND_WAIT)
    context.close()
    return usable, waited


@contextmanager
def panels():
    "The address of a new server and its process; nothing that it draws was drawn before."
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        panels_command = [*COMMAND, "panels", "--no-browser", "--port", port]
        with serving(panels_command, address, Path(folder)) as process: yield address, process


def say(title, found):
    usable, waited = zip(*found)
    preview = f"first preview {median(waited):.2f} s after the click (at most {max(waited):.2f})"
    print(f"{title:<44} page usable after {median(usable):.1f} s, {preview}", flush=True)


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        with panels() as (address, process):
            found, used = [], []
            for _ in range(runs):
                used.append(at_rest(process, used))
                found.append(first_click(browser, address, 0))
        say("a kernel waits, a click at once:", found)
        for pause, title in ((0, "a click at once:"), (5, "five seconds of looking around:")):
            found = []
            for _ in range(runs):
                with panels() as (address, _): found.append(first_click(browser, address, pause))
            say(f"just started, {title}", found)
        browser.close()

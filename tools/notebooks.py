"""Run the cells of all notebooks as nbdev_test does: those that need neither weights nor photos nor long.

Each runs in a process of its own, since what one registers, such as a kind of recipe, is not for the next.
The processes are forked from one that has TensorFlow loaded, which takes most of the time of a short one.
"""
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[1]
context = get_context("forkserver")


def work(path):
    "Run a notebook; the exit status says whether a cell failed, and what went wrong is printed."
    from nbdev.config import get_config
    from nbdev.test import test_nb
    passed, seconds = test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    print(f"{path.relative_to(ROOT)}: {'passed' if passed else 'FAILED'}, {seconds:.0f} s", flush=True)
    sys.exit(not passed)


def passes(path):
    process = context.Process(target=work, args=(path,))
    process.start()
    process.join()
    return process.exitcode == 0


if __name__ == "__main__":
    notebooks = [path for path in sorted(ROOT.glob("nbs/**/*.ipynb")) if not path.name.startswith(".")]
    context.set_forkserver_preload(["tensorflow", "keras", "nbdev.test"])
    with ThreadPoolExecutor(int(sys.argv[1])) as threads: results = list(threads.map(passes, notebooks))
    failed = [path.name for path, passed in zip(notebooks, results) if not passed]
    if failed: sys.exit(f"These notebooks failed: {', '.join(failed)}")

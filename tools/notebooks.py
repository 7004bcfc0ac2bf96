"""Run the cells of all notebooks as nbdev_test does: those that need neither weights nor photos nor long.

Each runs in a process of its own, since what one registers, such as a kind of recipe, is not for the next.
The processes are forked from one that has TensorFlow loaded, which takes most of the time of a short one.
"""
import sys
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[1]


def passes(path):
    "Run a notebook; whether no cell failed. What went wrong is printed."
    from nbdev.config import get_config
    from nbdev.test import test_nb
    passed, seconds = test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    print(f"{path.relative_to(ROOT)}: {'passed' if passed else 'FAILED'}, {seconds:.0f} s", flush=True)
    return path.name, passed


if __name__ == "__main__":
    notebooks = [path for path in sorted(ROOT.glob("nbs/**/*.ipynb")) if not path.name.startswith(".")]
    context = get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "keras", "nbdev.test"])
    with context.Pool(int(sys.argv[1]), maxtasksperchild=1) as workers:
        failed = [name for name, passed in workers.imap_unordered(passes, notebooks) if not passed]
    if failed: sys.exit(f"These notebooks failed: {', '.join(failed)}")

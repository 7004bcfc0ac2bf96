"""The language of objectives, in processes that have imported nothing else of it."""
import subprocess
import sys

import pytest


@pytest.mark.parametrize("text", ['content("fire5")', 'masked(layer("fire5"), "mask")', 'diversity("fire5")'])
def test_a_word_is_found_without_its_lesson_being_imported(text):
    script = f"from deepdream_nb.objectives import parse; print(repr(parse({text!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == text + "\n", done.stderr[-500:]


def test_a_name_of_the_package_that_is_no_word_is_one_sentence():
    script = """
import sys
from deepdream_nb.objectives import ObjectiveError, parse
for text in ('write_atomically("a")', 'main()', '_modidx()', 'contents("fire5")', 'os("a")'):
    try: parse(text)
    except ObjectiveError as error: print(error)
assert not any(name.startswith("deepdream_nb.apps") for name in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.count("there is no objective") == 5 and not done.stderr, done.stderr[-500:]

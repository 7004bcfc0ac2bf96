"""The base install alone: what it can do, and what is said where an extra is missing."""
import subprocess
import sys

import pytest

from deepdream_nb.images import load_image, sample, save_image

EXTRAS = """anywidget voila imageio imageio_ffmpeg imagehash kagglehub distributed
    tf2onnx onnx onnxruntime ai_edge_litert sklearn""".split()  # requests comes with TensorFlow, too
BLOCK = f"""
import sys
class Block:
    "Finds no package of an extra, as where the base alone is installed."
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}: raise ModuleNotFoundError("not installed", name=name)
sys.meta_path.insert(0, Block())
"""
COMMAND = "from deepdream_nb.apps.cli import main; main()"
LOADED = "from deepdream_nb.apps.cli import load_app; load_app(); print('tensorflow' in sys.modules)"


@pytest.fixture
def base(tmp_path):
    "Run the command, or a script, as where no extra is installed; returns the finished process."
    for name in ("cat.jpg", "photos/a/cat.jpg", "photos/b/rocket.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save_image(load_image(sample((tmp_path / name).stem), max_side=64), tmp_path / name)

    def run(*arguments, script=COMMAND):
        line = [sys.executable, "-c", BLOCK + script, *map(str, arguments)]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return run


def test_package_is_imported_quickly():
    script = "import deepdream_nb, sys; print(len(sys.modules), 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True)
    count, has_numpy = done.stdout.split()
    assert int(count) < 150 and has_numpy == "False"


def test_the_command_is_imported_without_tensorflow(base):
    done = base(script=LOADED)
    assert done.stdout == "False\n", done.stderr


def test_the_base_dreams(base, tmp_path):
    assert "dream" in base("--help").stdout
    assert "swirls" in base("recipe", "--list").stdout
    done = base("dream", "cat.jpg", "--steps", 1, "--max-side", 64)
    assert done.returncode == 0 and (tmp_path / "cat.dream.png").is_file(), done.stderr
    assert load_image(tmp_path / "cat.dream.png").shape[1] == 64


@pytest.mark.parametrize("package, extra, arguments", [
    ("imageio", "films", ("zoom", "cat.jpg", "--frames", 2, "--steps", 1)),
    ("anywidget", "panels", ("panels", "--no-browser")),
    ("distributed", "cluster", ("dataset", "photos", "pairs", "--size", 64, "--executor", "dask")),
    ("imagehash", "datasets", ("retrain", "photos", "--size", 64)),
])
def test_a_missing_extra_is_named_in_one_sentence(base, package, extra, arguments):
    done = base(*arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"this needs {package}: pip install 'deepdream_nb[{extra}]'\n")


SCRIPTS = {
    ("imagehash", "datasets"): "import numpy as np\n"
        "from deepdream_nb.datasets import photo_hash\nphoto_hash(np.zeros((9, 9, 3), 'float32'))",
    ("kagglehub", "datasets"): "from deepdream_nb.datasets import natural_images\nnatural_images('natural')",
    ("imageio", "films"): "from deepdream_nb.workshop.film_files import save_film\nsave_film([], 'a.gif')",
    ("sklearn", "concepts"): "from deepdream_nb.concepts import find_concepts\nfind_concepts([], 'fire5')",
    ("distributed", "cluster"): "from deepdream_nb.apps.folder_runs import dask_executor\n"
        "with dask_executor(): pass",
}


@pytest.mark.parametrize("missing", SCRIPTS, ids=lambda missing: missing[0])
def test_a_missing_package_is_a_sentence_in_python(base, missing):
    package, extra = missing
    done = base(script=SCRIPTS[missing])
    said = f"DeepDreamError: this needs {package}: pip install 'deepdream_nb[{extra}]'\n"
    assert done.stderr.endswith(said), done.stderr

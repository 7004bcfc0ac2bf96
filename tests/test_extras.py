"""The base install alone: what it can do, and what is said where an extra is missing."""
import shlex
import subprocess
import sys
from importlib.metadata import requires
from textwrap import dedent

import pytest

from deepdream_nb.images import load_image, sample, save_image

EXTRAS = """pillow_heif anywidget ipykernel voila imageio imageio_ffmpeg imagehash kagglehub distributed
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


# Each in a process of its own, since what was imported before counts.
MAIN_NAMES = {
    "the main names load what they need": """
        from deepdream_nb import load_image, sample, show
        assert load_image(sample("cat")).shape[2] == 3 and "deepdream_nb.recipes" not in sys.modules""",
    "recipes are a dictionary": """
        from deepdream_nb import recipes
        import deepdream_nb.recipes
        from deepdream_nb.recipes import make_dream
        assert deepdream_nb.recipes is recipes and make_dream is deepdream_nb.make_dream""",
    "recipes are a dictionary after their module": """
        import deepdream_nb.filters, deepdream_nb.recipes
        from deepdream_nb import recipes
        module = {}
        exec("from deepdream_nb.recipes import *", module)
        assert deepdream_nb.recipes is recipes is module["recipes"] and callable(module["make_dream"])""",
    "the star brings the main names": """
        from deepdream_nb import *
        import deepdream_nb
        found = {name for name in globals() if not name.startswith("_")} - {"sys", "Block", "deepdream_nb"}
        assert found == {*deepdream_nb.__all__} <= {*dir(deepdream_nb)}
        for name, module in deepdream_nb._homes.items():
            assert name in sys.modules[f"deepdream_nb.{module}"].__all__, name
        assert type(recipes["default"]) is Recipe""",
    "modules that share no main name are modules": """
        from deepdream_nb import style, apps
        assert callable(style.stylize) and apps.__name__ == "deepdream_nb.apps"
        import deepdream_nb
        assert not hasattr(deepdream_nb, "photo")""",
    "a misspelt name gets a hint": """
        import deepdream_nb
        for line in ("from deepdream_nb import load_imag", "deepdream_nb.load_imag"):
            try: exec(line)
            except (ImportError, AttributeError) as error: assert "did you mean load_image" in str(error)
            else: assert False, line""",
}


@pytest.mark.parametrize("script", MAIN_NAMES.values(), ids=MAIN_NAMES)
def test_from_deepdream_nb_import(base, script):
    done = base(script=f"{dedent(script)}\nassert 'tensorflow' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_the_command_is_imported_without_tensorflow(base):
    done = base(script=LOADED)
    assert done.stdout == "False\n", done.stderr


def test_the_base_dreams(base, tmp_path):
    assert "dream" in base("--help").stdout
    assert "swirls" in base("recipe", "--list").stdout
    done = base("dream", "cat.jpg", "--steps", 1, "--max-side", 64)
    assert done.returncode == 0 and (tmp_path / "cat.dream.png").is_file(), done.stderr
    assert load_image(tmp_path / "cat.dream.png").shape[1] == 64


def what_to_install(extra):
    "The end of the sentence: a line for this Python that names the extra's packages, not a package index's."
    needed = [line for line in requires("deepdream_nb") if line.endswith(f'extra == "{extra}"')]
    own = [line.partition(";")[0] for line in needed]
    assert own
    return shlex.join(["-m", "pip", "install", *own]) + "\n"


@pytest.mark.parametrize("package, extra, arguments", [
    ("imageio", "films", ("zoom", "cat.jpg", "--frames", 2, "--steps", 1)),
    ("anywidget", "panels", ("panels", "--no-browser")),
    ("distributed", "cluster", ("dataset", "photos", "pairs", "--size", 64, "--executor", "dask")),
    ("imagehash", "datasets", ("retrain", "photos", "--size", 64)),
])
def test_a_missing_extra_is_named_in_one_sentence(base, tmp_path, package, extra, arguments):
    done = base(*arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    python, _, rest = done.stderr.partition(f"this needs {package}: ")[2].partition(" ")
    assert rest == what_to_install(extra)
    line = [python, "-c", "import sys; print(sys.prefix)"]
    again = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert again.stdout.strip() == sys.prefix


def test_a_heic_photo_is_told_from_what_is_no_picture(base, tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "photos" / "IMG_2.heic").write_bytes((tmp_path / "IMG_1.HEIC").read_bytes())
    done = base("fast", "IMG_1.HEIC")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "IMG_1.HEIC is HEIC" in done.stderr and what_to_install("phone").rstrip() in done.stderr
    done = base("fast", "photos", "--max-side", 64)
    assert done.returncode == 0 and "left out: IMG_2" in done.stderr and "2 dreams" in done.stdout


SCRIPTS = {
    ("imagehash", "datasets"): "import numpy as np\n"
        "from deepdream_nb.datasets import photo_hash\nphoto_hash(np.zeros((9, 9, 3), 'float32'))",
    ("kagglehub", "datasets"): "from deepdream_nb.datasets import natural_images\nnatural_images('natural')",
    ("imageio", "films"): "from deepdream_nb.workshop.film_files import save_film\nsave_film([], 'a.mp4')",
    ("sklearn", "concepts"): "from deepdream_nb.concepts import find_concepts\nfind_concepts([], 'fire5')",
    ("distributed", "cluster"): "from deepdream_nb.apps.folder_runs import dask_executor\n"
        "with dask_executor(): pass",
}


@pytest.mark.parametrize("missing", SCRIPTS, ids=lambda missing: missing[0])
def test_a_missing_package_is_a_sentence_in_python(base, missing):
    package, extra = missing
    done = base(script=SCRIPTS[missing])
    said = done.stderr.partition(f"DeepDreamError: this needs {package}: ")[2].partition(" ")[2]
    assert said == what_to_install(extra), done.stderr

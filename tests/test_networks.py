"""The lesson networks with their real weights, at small sizes."""
import importlib
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import command, needs_weights

from deepdream_nb.ascent import ascend
from deepdream_nb.images import load_image, sample
from deepdream_nb.networks import NetworkError, application_networks, load_network
from deepdream_nb.objectives import measure
from deepdream_nb.octaves import dream
from deepdream_nb.recipes import Recipe, make_dream, replay, save_dream

CASES = [("vgg19", "block4_conv3"), ("inception_v3", "mixed5")]
cat = load_image(sample("cat"), max_side=128)


@needs_weights
@pytest.mark.parametrize("name, layer", CASES)
def test_folded_network_computes_what_keras_computes(name, layer):
    import keras
    path = f"{os.environ['DEEPDREAM_WEIGHTS']}/{name}.weights.h5"
    network = load_network(name, weights=path)
    plain = application_networks()[name](weights=path, include_top=False)
    prepare = importlib.import_module(f"keras.applications.{name}").preprocess_input
    right = np.asarray(keras.Model(plain.input, plain.get_layer(layer).output)(prepare(cat[None] * 255)))
    ours = np.asarray(network.features([layer])(cat[None])[layer])
    assert np.abs(ours - right).max() < 1e-3 * np.abs(right).max()


@needs_weights
@pytest.mark.parametrize("name, layer", CASES)
def test_objective_rises_in_both_number_formats(name, layer):
    for dtype in ("float32", "bfloat16"):
        network = load_network(name, dtype=dtype)
        before = measure(network, f'layer("{layer}")', cat)
        assert measure(network, f'layer("{layer}")', ascend(cat, network, f'layer("{layer}")', steps=4, jitter=0)) > 1.1 * before


@needs_weights
def test_dream_and_replay_with_inception(tmp_path):
    made = make_dream(cat, Recipe(network="inception_v3", objective='layer("mixed3") + layer("mixed5")', steps=2, octaves=2))
    assert replay(save_dream(made, tmp_path / "cat.png"), cat).identical


@needs_weights
def test_wrong_and_damaged_weights_are_refused(tmp_path):
    folder = Path(os.environ["DEEPDREAM_WEIGHTS"])
    with pytest.raises(NetworkError, match="does not hold the weights of vgg19"):
        load_network("vgg19", weights=folder / "inception_v3.weights.h5")
    with pytest.raises(NetworkError, match="does not hold the weights of vgg16"):
        load_network("vgg16", weights=folder / "vgg19.weights.h5")
    data = (folder / "vgg19.weights.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(NetworkError, match="sound weights file"):
        load_network("vgg19", weights=tmp_path / "half.h5")


def test_missing_weights_name_the_three_ways(tmp_path):
    # A process of its own, whose way to the internet is a closed port.
    closed = "http://127.0.0.1:9"
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "DEEPDREAM_WEIGHTS": str(tmp_path), "https_proxy": closed, "http_proxy": closed}
    done = subprocess.run([command, "layers", "nasnetmobile"], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert all(way in done.stderr for way in ("weights=", "DEEPDREAM_WEIGHTS", "internet"))


def test_a_batch_dreams_as_its_pictures_do():
    network = load_network()
    batch = np.stack([cat, cat[::-1], cat[:, ::-1]])
    together = dream(batch, network, 'layer("fire5")', octaves=2, steps=2)
    for one, photo in zip(together, batch):
        assert np.abs(one - dream(photo, network, 'layer("fire5")', octaves=2, steps=2)).mean() < 2e-3


def test_own_network_dreams_and_replays_without_its_path(tmp_path):
    import keras
    path = tmp_path / "private" / "mine.keras"
    path.parent.mkdir()
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu", name="edges")(inputs)
    keras.Model(inputs, keras.layers.Conv2D(16, 5, activation="relu", name="parts")(x)).save(path)
    picture = save_dream(make_dream(cat, Recipe(network=str(path), objective='layer("parts")', steps=2, octaves=2)), tmp_path / "cat.png")
    assert b"private" not in picture.read_bytes()
    assert replay(picture, cat, weights=path).identical
    with pytest.raises(NetworkError, match="mine.keras"):
        replay(picture, cat)

"""The lesson networks with their real weights, at small sizes."""
import importlib
import importlib.metadata
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_weights
from processes import COMMAND

from deepdream_nb.ascent import ascend
from deepdream_nb.images import load_image, sample
from deepdream_nb.networks import (LayerInfo, NetworkError, Reach, classify, imagenet_classes, layer_table,
                                   load_network, main_layers, probe_preprocessing, tensorflow)
from deepdream_nb.objectives import measure
from deepdream_nb.octaves import dream
from deepdream_nb.recipes import Recipe, make_dream, network_for, replay, save_dream
from deepdream_nb.workshop.embedded import EMBEDDED, load_embedded
from deepdream_nb.workshop.folding import layer_kind, rebuild, resolve_dtype
from deepdream_nb.workshop.weights import application_networks

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
        objective = f'layer("{layer}")'
        before = measure(network, objective, cat)
        assert measure(network, objective, ascend(cat, network, objective, steps=4, jitter=0)) > 1.1 * before


@needs_weights
def test_dream_and_replay_with_inception(tmp_path):
    objective = 'layer("mixed3") + layer("mixed5")'
    made = make_dream(cat, Recipe(network="inception_v3", objective=objective, steps=2, octaves=2))
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


# Receptive fields, measured: how far the gradient of one value reaches

INCEPTION = {
    "mixed4": 351, "mixed5": 543, "mixed6": 735, "mixed7": 927,
    "mixed8": 1055, "mixed9": 1183, "mixed10": 1311}
LOOKS = ("Conv2D", "DepthwiseConv2D", "AveragePooling2D", "Concatenate", "Add")  # others see what they read


def slim(network):
    """The network's graph with one channel to a convolution: the same windows, strides and pads, all
    weights alike. So no path from a pixel to a value is cut off by a weight, a ReLU or a maximum."""
    import keras

    def make(layer):
        config = layer.get_config()
        if layer_kind(layer) == "Rescaling": config["offset"] = 0.0
        if layer_kind(layer) == "Conv2D": config["filters"] = 1
        return type(layer).from_config(config)

    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, rebuild(network.model, image, make)[0])
    for layer in model.layers:
        if layer_kind(layer) in ("Conv2D", "DepthwiseConv2D"):
            kernel, *bias = layer.get_weights()
            layer.set_weights([np.ones_like(kernel) / np.prod(kernel.shape[:3]), *map(np.zeros_like, bias)])
    return keras.Model(image, {info.name: model.get_layer(info.name).output for info in network.layers})


def reached(model, names, size):
    "How many (rows, columns) of a picture get a gradient from the middle value of a layer: {name: counts}."
    tf = tensorflow()
    image = tf.fill((1, *size, 3), 1e-3)  # small, so that no ReLU6 is at its end
    counts = {}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        found = model(image)
        middle = {}
        for name in names:
            shape = found[name].shape
            at = (0, shape[1] // 2, shape[2] // 2) if len(shape) == 4 else (0,)
            middle[name] = tf.reduce_sum(found[name][at])
    for name in names:
        gradient = np.asarray(tape.gradient(middle[name], image))[0].sum(axis=-1)
        counts[name] = tuple(int((gradient.max(axis=axis) > 0).sum()) for axis in (1, 0))
    return counts


@pytest.mark.parametrize("name", ["lite0", "squeezenet", "vgg16", "vgg19", "mobilenetv2", "inception_v3"])
def test_every_receptive_field_is_what_the_gradient_reaches(name):
    network = load_network(name, weights="random", pooling="average")
    names = [info.name for info in network.layers if info.receptive_field and info.kind in LOOKS]
    assert len(names) > 12
    model = slim(network)
    deep = network[names[-1]]
    long, short = deep.receptive_field + 4 * deep.stride, max(network[one].min_size for one in names) + 8
    # One axis at a time: a strip as high or wide as the fields, and only just large enough the other way.
    high, wide = reached(model, names, (long, short)), reached(model, names, (short, long))
    assert {one: (high[one][0], wide[one][1]) for one in names} == {one: network[one].field for one in names}
    if name == "inception_v3": assert {one: network[one].receptive_field for one in INCEPTION} == INCEPTION


@pytest.mark.parametrize("name, count", [("squeezenet", 6), ("lite0", 7)])
def test_the_fields_of_the_embedded_networks_with_their_own_weights(name, count):
    tf, network = tensorflow(), load_network(name)
    pictures = tf.constant(np.random.default_rng(0).random((12, 255, 255, 3), "float32"))
    for info in main_layers(network)[:count]:  # fire2 to fire7, block0 to block6_add
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            found = network.features([info.name])(pictures)[info.name]
            middle = found[:, found.shape[1] // 2, found.shape[2] // 2]
        # Of several pictures, as a max pool passes on the gradient of one value only.
        gradient = np.abs(tape.gradient(middle, pictures)).max(axis=(0, 3))
        assert tuple(int((gradient.max(axis=axis) > 0).sum()) for axis in (1, 0)) == info.field


def test_a_window_has_a_height_and_a_width():
    import keras
    from keras import layers
    windows = [layers.Conv2D(2, (1, 7)), layers.Conv2D(2, (5, 1), strides=(1, 2), padding="same"),
               layers.MaxPooling2D((3, 2)), layers.Conv2D(2, 3, dilation_rate=2)]
    chain = keras.Sequential([keras.Input((None, None, 3)), *windows])
    table = layer_table(keras.Model(chain.inputs, chain.outputs))
    assert [info.field for info in table] == [(1, 7), (5, 7), (7, 9), (19, 25)]
    assert [info.receptive_field for info in table] == [7, 7, 9, 25]
    assert [info.stride for info in table] == [1, 2, 4, 4]
    assert [info.min_size for info in table] == [7, 7, 9, 25]
    wide, high = Reach().after(windows[0]), Reach().after(windows[1])
    both = Reach.join([wide, high])
    assert [side.tolist() for side in (both.field, both.stride, both.least)] == [[5, 7], [1, 2], [1, 7]]


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_network_knows_its_classes_and_layers(name):
    network = load_network(name)
    assert network.classes == imagenet_classes() and len(set(network.classes)) > 990
    assert all(isinstance(info, LayerInfo) and network[info.name] is info for info in network.layers)
    assert network["logits"].receptive_field == 0 and network["logits"].channels == 1000


def test_lite0_is_folded_exactly_and_named_by_its_blocks():
    model, network = load_embedded("lite0"), load_network()
    kinds = {layer_kind(layer) for layer in network.model.layers if layer.weights}
    assert kinds == {"Conv2D", "DepthwiseConv2D", "Dense"}  # no batch normalisation is left
    image = np.random.default_rng(0).random((2, 96, 128, 3), "float32")
    theirs, ours = model((image * 255 - 127) / 128), network.features(["logits"])(image)["logits"]
    assert np.abs(theirs - ours).max() < 1e-3 * np.abs(theirs).max()
    ends = [0, 1, "2_add", 3, "4_add", 5, "6_add", "7_add", 8, "9_add", "10_add", 11, "12_add", "13_add",
            "14_add", 15]
    assert [info.name for info in main_layers(network)] == [*(f"block{end}" for end in ends), "logits"]


@pytest.mark.parametrize("photo, right", [
    ("cat", ("egyptian cat", "tiger cat")), ("coffee", ("espresso",)), ("rocket", ("missile",))])
def test_lite0_sees_what_the_shipped_photos_show(photo, right):
    image = load_image(sample(photo))
    for dtype in ("float32", "bfloat16"):
        assert classify(load_network(dtype=dtype), image, 1)[0][0] in right, dtype


def test_auto_is_float32_where_convolutions_are_depthwise():
    assert load_network(dtype="auto").dtype == "float32"
    assert load_network("squeezenet", dtype="auto").dtype == resolve_dtype("auto")


def test_random_weights_keep_the_signal_alive_in_depthwise_networks():
    network = load_network(weights="random")
    names = [info.name for info in main_layers(network)][:-1]
    found = network.features(names)(np.random.default_rng(0).random((1, 64, 64, 3), "float32"))
    assert all(0.01 < float(np.std(found[name])) < 100 for name in names)


@pytest.mark.parametrize("name, file", [
    ("lite0", "efficientnet-lite0-57934424.pth"), ("squeezenet", "squeezenet_weights.pkl")])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_embedded_weights_that_are_not_there_or_others_are_refused(name, file, damage, tmp_path, monkeypatch):
    class Elsewhere:
        "A distribution whose files lie in a folder of this test."
        def locate_file(self, path): return tmp_path / Path(path).name
    if damage == "changed": (tmp_path / file).write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda package: Elsewhere())
    with pytest.raises(NetworkError, match="pip install") as caught: load_network(name)
    assert "\n" not in str(caught.value)


def test_the_probed_preprocessing_is_that_of_keras():
    pixels = np.random.default_rng(0).random((1, 5, 7, 3), "float32")
    for builder in application_networks().values():
        prepare = importlib.import_module(builder.__module__).preprocess_input
        matrix, offset = probe_preprocessing(prepare)
        assert np.allclose(pixels @ matrix + offset, prepare(255 * pixels), atol=1e-3), builder


def test_missing_weights_name_the_three_ways(tmp_path):
    # A process of its own, whose way to the internet is a closed port.
    closed = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("https_proxy", "http_proxy"), closed)
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "DEEPDREAM_WEIGHTS": str(tmp_path), **proxies}
    words = [*COMMAND, "layers", "nasnetmobile"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert all(way in done.stderr for way in ("weights=", "DEEPDREAM_WEIGHTS", "internet"))


def test_a_batch_dreams_as_its_pictures_do():
    network = load_network("squeezenet")
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
    recipe = Recipe(network=str(path), objective='layer("parts")', steps=2, octaves=2)
    picture = save_dream(make_dream(cat, recipe), tmp_path / "cat.png")
    assert b"private" not in picture.read_bytes()
    assert replay(picture, cat, weights=path).identical
    with pytest.raises(NetworkError, match="mine.keras"):
        replay(picture, cat)


@pytest.mark.parametrize("name, other", [("lite0", "squeezenet"), ("squeezenet", "lite0")])
def test_a_layer_of_another_network_is_named_with_it(name, other):
    network, stranger = load_network(name), load_network(other)
    for info in main_layers(stranger):
        if info.name in {one.name for one in network.layers} | {"logits"}: continue
        said = rf"{name} has no layer .*\b{other}\b.* ha(s|ve) one"
        with pytest.raises(NetworkError, match=said): network[info.name]
    for wrong in ("block99", "block16", "block3_add", "fire1", "fire10", "mixed11"):
        if wrong in {one.name for one in network.layers}: continue
        with pytest.raises(NetworkError) as error: network[wrong]
        assert f"{name} has one" not in str(error.value) and f"{name} and" not in str(error.value)


def test_an_embedded_network_stays_loaded_with_its_latest_steps():
    photo, recipe = cat[:64, :64], Recipe("squeezenet", 'layer("fire3")', octaves=1, steps=1)
    network = network_for(recipe)
    assert network_for(replace(recipe, objective='layer("fire5")', seed=3)) is network
    assert network_for(replace(recipe, pooling="average")) is not network
    assert network_for(recipe, weights="random") is not network
    make_dream(photo, recipe, progress=False)
    step = next(key for key in network.cache if key[0] == "step")
    made = [network.compiled(("tried", number), lambda: [number]) for number in range(40)]
    make_dream(photo, recipe, progress=False)  # used again, and therefore kept
    made += [network.compiled(("tried", number), lambda: [number]) for number in range(40, 80)]
    assert step in network.cache and len(network.cache) == 50
    assert network.compiled(("tried", 79), list) is made[79]
    assert network.compiled(("tried", 0), list) == []

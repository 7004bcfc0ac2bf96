"""Networks of anybody's: copied with all they know, at the sizes they take, fed what they want."""

import json
import os
import resource
import subprocess

import numpy as np
import pytest
from processes import COMMAND

from deepdream_nb.images import ImageError, load_image, sample, save_image
from deepdream_nb.networks import NetworkError, load_network, tensorflow
from deepdream_nb.objectives import ObjectiveError, measure, parse
from deepdream_nb.octaves import dream
from deepdream_nb.recipes import Recipe, make_dream, replay, save_dream
from deepdream_nb.records import read_record, record_from
from deepdream_nb.workshop.files import DeepDreamError
from deepdream_nb.workshop.own_models import check_model, preprocessings
from deepdream_nb.workshop.weights import load_application

tensorflow()
import keras  # noqa: E402
from keras import layers as L  # noqa: E402

noise = np.random.default_rng(0)
ANY = (None, None)
cat = load_image(sample("cat"), max_side=61)  # 61x41: no side is even


def seen(x, count=6, kernel=3, **more):
    return L.Conv2D(count, kernel, padding="same", activation="relu", **more)(x)


def made(layers, size=ANY):
    "A model of a function from input to output; its normalisations have learnt something."
    image = keras.Input((*size, 3))
    model = keras.Model(image, layers(image), name="mine")
    for one in model.weights:
        if one.path.endswith(("gamma", "moving_variance")):
            one.assign(noise.uniform(0.5, 1.5, one.shape))
        elif one.path.endswith(("beta", "moving_mean")):
            one.assign(noise.normal(0, 0.3, one.shape))
    return model


def adapted(x, scale=1.0):
    layer = L.Normalization()
    layer.adapt(noise.random((4, 8, 8, 3)) * scale * [1, 0.5, 0.2])
    return layer(x)


def u_shaped(x):
    first, halved = seen(x), seen(L.MaxPooling2D()(seen(x)))
    deep = seen(L.MaxPooling2D()(halved))
    joined = seen(L.Concatenate(name="joined")([L.UpSampling2D()(deep), halved]))
    added = L.Add(name="added")([L.Conv2DTranspose(6, 3, 2, "same", name="grown")(joined), first])
    return L.Conv2D(3, 1, name="out")(added)


def excited(x):
    maps = seen(x)
    weights = L.Dense(6, activation="sigmoid")(L.Reshape((1, 1, 6))(L.GlobalAveragePooling2D()(maps)))
    return seen(L.Multiply(name="excited")([maps, weights]), name="last")


def transformer(x):
    tokens = L.Reshape((-1, 8))(L.Conv2D(8, 8, 8, name="patches")(x)) + L.Embedding(16, 8)(
        keras.ops.arange(16)
    )
    calm = L.LayerNormalization()(tokens)
    tokens = L.Add(name="tokens")([tokens, L.MultiHeadAttention(2, 4)(calm, calm)])
    return L.Dense(4, name="scores")(L.GlobalAveragePooling1D()(tokens))


def flattened(x):
    return L.Dense(5, "softmax", name="scores")(L.Flatten()(L.MaxPooling2D(name="pool")(seen(x))))


def scored(x, end):
    return end(L.Dense(5)(L.GlobalAveragePooling2D()(seen(x))))


def several(x):
    maps = seen(x)
    ends = [L.Dense(3, "softmax", name="kind"), L.Dense(2, name="age")]
    return [*[end(L.GlobalAveragePooling2D()(maps)) for end in ends], L.Conv2D(1, 1, name="mask")(maps)]


def quantised():
    model = made(
        lambda x: L.Dense(4)(L.GlobalAveragePooling2D()(L.Dense(8, activation="relu")(seen(x)))), (32, 32)
    )
    model.quantize("int8")
    return model


mixed, bf = dict(dtype="mixed_float16"), dict(dtype="mixed_bfloat16")
inner = keras.Sequential([keras.Input((*ANY, 3)), L.Conv2D(6, 3), L.BatchNormalization(), L.ReLU()])
MODELS = {  # of every kind that holds or does more than its weights say
    "adapted": lambda: made(lambda x: seen(adapted(x))),
    "adapted to bytes": lambda: made(lambda x: seen(adapted(x, 255))),
    "spectral": lambda: made(lambda x: L.SpectralNormalization(L.Conv2D(6, 3), name="spectral")(x)),
    "disturbed": lambda: made(
        lambda x: seen(
            L.GaussianNoise(0.5)(
                L.Dropout(0.5)(L.RandomFlip()(L.RandomContrast(0.5)(L.RandomRotation(0.2)(x))))
            )
        )
    ),
    "normalised": lambda: made(lambda x: seen(L.BatchNormalization()(L.Conv2D(6, 3, use_bias=False)(x)))),
    "normalised first": lambda: made(lambda x: seen(L.BatchNormalization()(x))),
    "normalised across": lambda: made(lambda x: L.BatchNormalization(axis=1)(L.Conv2D(6, 3)(x)), (16, 16)),
    "normalised twice": lambda: made(
        lambda x: (lambda norm, conv: L.Add()([norm(conv(x)), norm(L.ReLU()(x))]))(
            L.BatchNormalization(), L.Conv2D(3, 3, padding="same")
        )
    ),
    "grouped": lambda: made(lambda x: seen(L.GroupNormalization(3)(seen(x)))),
    "layered": lambda: made(lambda x: seen(L.LayerNormalization()(seen(x)))),
    "learnt slope": lambda: made(lambda x: seen(L.PReLU()(seen(x))), (32, 32)),
    "shared": lambda: made(lambda x: (lambda one: seen(one(one(x))))(L.Conv2D(3, 3, name="twice"))),
    "nested": lambda: made(
        lambda x: L.Dense(3, "softmax")(L.GlobalAveragePooling2D()(inner(L.Rescaling(1 / 255)(x))))
    ),
    "Sequential": lambda: keras.Sequential(
        [keras.Input((32, 32, 3)), L.Conv2D(6, 3), L.Flatten(), L.Dense(3)]
    ),
    "nested end": lambda: made(lambda x: scored(x, keras.Sequential([keras.Input((5,)), L.Softmax()]))),
    "Softmax": lambda: made(lambda x: scored(x, L.Softmax())),
    "Activation": lambda: made(lambda x: scored(x, L.Activation("softmax"))),
    "depthwise": lambda: made(lambda x: L.SeparableConv2D(6, 3)(L.DepthwiseConv2D(3, padding="same")(x))),
    "upsampling": lambda: made(u_shaped),
    "smooth upsampling": lambda: made(lambda x: seen(L.UpSampling2D(2, interpolation="bilinear")(seen(x)))),
    "excited": lambda: made(excited),
    "excited at one size": lambda: made(excited, (40, 40)),
    "attending": lambda: made(
        lambda x: (lambda y: L.MultiHeadAttention(2, 3, attention_axes=(1, 2))(y, y))(seen(x))
    ),
    "transformer": lambda: made(transformer, (32, 32)),
    "flattened": lambda: made(flattened, (32, 32)),
    "several ends": lambda: made(several),
    "lambda": lambda: made(lambda x: seen(L.Lambda(lambda y: 2 * y)(x))),
    "arithmetic": lambda: made(lambda x: seen(L.Add(name="add")([x / 127.5 - 1.0, x + 1.0]))),
    "half": lambda: made(
        lambda x: L.Conv2D(4, 3, **mixed)(L.BatchNormalization(**mixed)(L.Conv2D(6, 3, **mixed)(x)))
    ),
    "half inside": lambda: made(lambda x: L.SpectralNormalization(L.Conv2D(6, 3, **bf), **bf)(x)),
    "double": lambda: made(lambda x: L.Conv2D(4, 3, dtype="float64")(x)),
    "quantised": quantised,
}


@pytest.mark.parametrize("kind", MODELS)
def test_the_network_computes_what_the_model_computes(kind):
    model = MODELS[kind]()
    network = load_network(model)
    size = [side or 24 for side in model.input_shape[1:3]]
    picture, (matrix, offset) = noise.random((1, *size, 3)), preprocessings[network.preprocessing]
    fed = (picture @ matrix + offset).astype("float32")
    for right, ours in zip(
        keras.tree.flatten(model(fed, training=False)),
        keras.tree.flatten(network.model(picture.astype("float32"))),
    ):
        right, ours = [np.asarray(one, "float64") for one in (right, ours)]
        if right.ndim == 2 and np.allclose(right.sum(axis=-1), 1, atol=1e-3) and (right >= 0).all():
            ours = np.exp(ours - ours.max()) / np.exp(ours - ours.max()).sum()  # logits, not their softmax
        coarse = "half" in kind or kind == "quantised"
        assert np.abs(right - ours).max() <= (0.03 if coarse else 1e-4) * np.abs(right).max()


@pytest.mark.parametrize("kind", MODELS)
def test_every_layer_dreams_or_says_in_one_sentence_why_not(kind):
    network = load_network(MODELS[kind]())
    for info in network.layers:
        try:
            dreamt = dream(cat, network, f'layer("{info.name}", "l2")', octaves=1, steps=1, progress=False)
        except ImageError as error:
            assert info.only and "pixels only" in str(error) and info.name in str(error)
        else:
            assert dreamt.shape == cat.shape and not info.only


@pytest.mark.parametrize("name", ["mine", "lite0"])  # also where it has the name of one of ours
def test_a_layer_that_holds_more_than_its_weights_and_its_config_is_refused(name):
    class Louder(L.Layer):
        gain = 1.0

        def call(self, x):
            return self.gain * x

    loud = Louder()
    loud.gain = 3.0
    model = made(lambda x: seen(loud(x)))
    with pytest.raises(NetworkError, match=f"{name} cannot be copied exactly"):
        load_network(keras.Model(model.inputs, model.outputs, name=name))


def test_what_rounding_alone_changes_is_no_fault_of_the_copy():
    def wild(x): return keras.ops.sin(1e4 * keras.ops.sin(1e4 * L.Conv2D(4, 3, name="seen")(x)))
    assert load_network(made(wild), preprocessing="caffe")["seen"].channels == 4


def test_no_layer_disturbs_a_dream():
    network = load_network(MODELS["disturbed"]())
    last = f'layer("{network.layers[-1].name}")'
    one, other = [dream(cat, network, last, octaves=1, steps=2, progress=False) for _ in range(2)]
    assert np.array_equal(one, other)


# What a model is fed

FED = {
    "unit": [
        lambda x: x,
        lambda x: L.Rescaling(2.0, -1.0)(x),
        lambda x: adapted(x),
        lambda x: L.Rescaling(255)(x),
        lambda x: L.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.05, 0.05, 0.05])(x),
    ],
    "bytes": [
        lambda x: L.Rescaling(1 / 255)(x),
        lambda x: L.Rescaling(1 / 127.5, -1)(x),
        lambda x: x / 255.0,
        lambda x: adapted(x, 255),
        lambda x: L.RandomFlip()(L.Resizing(24, 24)(x)) / 255.0,
        lambda x: keras.Sequential([keras.Input((*ANY, 3)), L.Rescaling(1 / 255)])(x),
        lambda x: L.Rescaling(1.0, -117.0)(x),
    ],
}


@pytest.mark.parametrize(
    "wanted, number", [(fed, number) for fed, ways in FED.items() for number in range(len(ways))]
)
def test_what_a_model_begins_with_says_what_it_is_fed(wanted, number):
    network = load_network(made(lambda x: seen(FED[wanted][number](x))))
    assert network.preprocessing == wanted


def test_what_a_network_is_fed_is_an_option_and_in_the_record(tmp_path, deepdream):
    path = tmp_path / "mine.keras"
    made(lambda x: L.Conv2D(6, 3, name="seen")(L.Rescaling(1 / 255)(x))).save(path)
    recipe = Recipe(str(path), 'layer("seen")', steps=2, octaves=1)
    fed = {}
    for given in ("auto", "bytes", "unit"):
        dreamt = make_dream(cat, Recipe(str(path), 'layer("seen")', steps=2, octaves=1, preprocessing=given))
        fed[given] = dreamt.image
        picture = save_dream(dreamt, tmp_path / f"{given}.png")
        assert read_record(picture).recipe.preprocessing == ("bytes" if given == "auto" else given)
        assert replay(picture, cat, weights=path).identical
    assert np.array_equal(fed["auto"], fed["bytes"]) and recipe.preprocessing == "auto"
    save_image(cat, tmp_path / "small.png")
    done = deepdream(
        "dream",
        "small.png",
        "--network",
        path,
        "--layer",
        "seen",
        "--steps",
        1,
        "--min-side",
        0,
        "--preprocessing",
        "tf",
        "--out",
        "tf.png",
    )
    assert done.returncode == 0 and read_record(tmp_path / "tf.png").recipe.preprocessing == "tf", done.stderr


def test_layers_and_retrain_are_told_what_a_network_is_fed(tmp_path, deepdream, album):
    path = tmp_path / "mine.keras"
    made(lambda x: L.Conv2D(6, 3, name="seen")(x)).save(path)
    done = deepdream("layers", path, "--preprocessing", "bytes")
    assert done.returncode == 0 and "seen" in done.stdout, done.stderr
    wrong = deepdream("layers", path, "--preprocessing", "half")
    assert wrong.returncode and "not 'half'" in wrong.stderr
    weights = {}
    for fed in ("auto", "bytes"):
        line = ("--network", path, "--layer", "seen", "--size", 48, "--epochs", 1, "--preprocessing", fed)
        done = deepdream("retrain", album / "photos", *line, "--out", f"{fed}.keras")
        assert done.returncode == 0, done.stderr
        retrained = load_network(str(tmp_path / f"{fed}.keras"))
        weights[fed] = np.abs(retrained.features(["seen"])(cat[None])["seen"]).mean()
    assert 100 < weights["bytes"] / weights["auto"] < 600  # 255 times as much went in


def test_an_older_record_of_an_own_network_means_0_to_1():
    others = dict(
        deepdream=1, kind="dream", fingerprint="", photo="", photo_size=[0, 0], versions={}, pictures={}
    )
    for network, fed in (("mine.keras", "unit"), ("lite0", "auto")):
        note = json.dumps({**others, "recipe": {"network": network, "objective": 'layer("seen")'}})
        assert record_from(note, "old.png").recipe.preprocessing == fed


def test_an_efficientnet_from_a_file_is_the_one_that_is_downloaded(tmp_path):
    builder = keras.applications.EfficientNetB0
    plain = builder(weights=None, include_top=False, input_shape=(*ANY, 3))
    scale = next(one for one in plain.layers if isinstance(one, L.Normalization))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scale.set_weights([mean, deviation, np.array(0)])  # what Keras's files hold: no squares
    plain.save_weights(tmp_path / "file.weights.h5")
    model, _ = load_application("efficientnetb0", tmp_path / "file.weights.h5")
    begun = keras.Model(model.input, model.get_layer("stem_conv_pad").input)
    pixels = noise.random((1, 4, 4, 3))
    assert np.allclose(begun(255 * pixels), (pixels - mean) / deviation, atol=1e-4)


# Sizes


@pytest.mark.parametrize(
    "kind, free, tied", [("flattened", "pool", "scores"), ("transformer", "patches", "tokens")]
)
def test_a_network_of_one_size_is_free_before_what_ties_it(kind, free, tied):
    network = load_network(MODELS[kind]())
    assert network[free].only == () and network[tied].only == (32, 32)
    assert dream(cat, network, f'layer("{free}")', octaves=2, steps=1, progress=False).shape == cat.shape
    with pytest.raises(ImageError, match="32x32 pixels only, not 61x41"):
        network.check_size(41, 61, [tied])
    square = load_image(sample("cat"))[:32, :32]
    assert dream(square, network, "logit(2)", octaves=3, steps=1, progress=False).shape == square.shape


def test_maps_that_are_halved_and_doubled_fit_at_any_size():
    network = load_network(MODELS["upsampling"]())
    shown = {info.name: (info.stride, info.fits[0], info.grid) for info in network.layers}
    assert [shown[name] for name in ("joined", "grown", "added")] == [(2, 4, 4), (1, 4, 4), (1, 4, 4)]
    for size in ((41, 61), (40, 60), (7, 5)):  # the places are those of the picture mirrored up to a multiple
        assert network.feature_shapes(["added"], *size)["added"][:2] == tuple(
            -(-side // 4) * 4 for side in size
        )
    even, odd = (
        noise.random((2, 1, 8, 12, 3)).astype("float32"),
        noise.random((1, 7, 11, 3)).astype("float32"),
    )
    assert np.allclose(network.features(["out"])(even[0])["out"], network.model(even[0]), atol=1e-5)
    mirrored = np.pad(odd, [(0, 0), (0, 1), (0, 1), (0, 0)], "symmetric")
    assert np.allclose(network.features(["out"])(odd)["out"], network.model(mirrored), atol=1e-5)


def test_windows_and_strides_of_layers_that_enlarge():
    "Against the gradient, all weights alike; over some places, since not all of them see equally far."
    network = load_network(
        made(
            lambda x: L.Conv2DTranspose(2, 5, 2, name="grown")(
                seen(L.UpSampling2D(name="doubled")(seen(x, strides=2, name="halved")), name="after")
            ),
            (64, 64),
        )
    )
    tf = tensorflow()
    for one in network.model.weights:
        one.assign(tf.ones_like(one) if "kernel" in one.path else tf.zeros_like(one))
    picture = tf.ones((1, 64, 64, 3)) * 0.01
    for name, stride in (("halved", 2), ("doubled", 1), ("after", 1), ("grown", 0.5)):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(picture)
            maps = network.features([name])(picture)[name]
            middle = maps.shape[1] // 2
            values = [tf.reduce_sum(maps[:, middle + k, middle + k]) for k in range(4)]
        fields = [
            int((np.asarray(tape.gradient(one, picture))[0, ..., 0].max(axis=0) > 0).sum()) for one in values
        ]
        assert (max(fields), network[name].stride) == (network[name].receptive_field, stride), name


@pytest.mark.parametrize(
    "layers",
    [
        lambda x: L.Conv2D(4, 7, strides=2, name="last")(L.ZeroPadding2D(3)(x)),
        lambda x: L.MaxPooling2D(3, 2, name="last")(L.ZeroPadding2D(((1, 0), (0, 1)))(L.Conv2D(4, 5)(x))),
        lambda x: L.Conv2D(4, 3, name="last")(L.Cropping2D(2)(x)),
        lambda x: L.Conv2D(4, 3, name="last")(L.Conv2DTranspose(4, 4, 3)(L.Conv2D(4, 3, dilation_rate=3)(x))),
    ],
)
def test_the_smallest_picture_is_the_smallest_that_works(layers):
    network = load_network(made(layers))
    least = network["last"].min_size

    def side_of(size):
        return network.features(["last"])(np.zeros((1, size, size, 3), "float32"))["last"].shape[1]

    assert side_of(least) >= 1
    if least > 1:
        with pytest.raises(Exception):
            assert side_of(least - 1) > 0


def test_octaves_that_are_left_out_and_photos_that_stay_are_said(capsys, squeezenet):
    dream(cat, squeezenet, 'layer("fire9")', octaves=4, steps=1)
    said = capsys.readouterr().err
    assert f"of 4 octaves left out, as smaller than the {squeezenet['fire9'].min_size} pixels" in said
    grey = np.full((32, 32, 3), 0.5, "float32")
    network = load_network(
        made(lambda x: L.ReLU(name="dead")(L.Conv2D(4, 3, bias_initializer="zeros")(x) - 100.0))
    )
    assert np.array_equal(dream(grey, network, 'layer("dead")', octaves=1, steps=2), grey)
    assert 'nothing has changed: layer("dead") has no gradient' in capsys.readouterr().err
    dream(grey, network, 'layer("dead")', octaves=1, steps=0)
    assert "nothing" not in capsys.readouterr().err


# What is refused, in one sentence


def sub_model():
    class Sub(keras.Model):
        def call(self, x):
            return x

    return Sub(name="sub")


def two_inputs():
    picture, numbers = keras.Input((16, 16, 3), name="picture"), keras.Input((4,), name="numbers")
    return keras.Model([picture, numbers], L.Concatenate()([L.GlobalAveragePooling2D()(picture), numbers]))


REFUSED = {
    "2 inputs, picture (None, 16, 16, 3), numbers (None, 4)": two_inputs,
    "its input is": lambda: keras.Sequential([keras.Input((16, 16, 1)), L.ReLU()]),
    "its channels come first": lambda: keras.Sequential(
        [keras.Input((3, 16, 16)), L.Conv2D(4, 3, data_format="channels_first")]
    ),
    "wants channels first": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), L.Permute((3, 1, 2)), L.Conv2D(4, 3, data_format="channels_first")]
    ),
    "no functional or Sequential model": sub_model,
    "that knows its input": lambda: keras.Sequential([L.ReLU()]),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_takes_no_pictures_is_refused(said):
    with pytest.raises(NetworkError) as caught:
        check_model("mine", REFUSED[said]())
    assert said in str(caught.value)


def test_several_ends_are_told_apart():
    network = load_network(MODELS["several ends"](), classes=["axe", "boat", "cup"])
    assert network["logits"].name == "kind"
    unnamed = load_network(MODELS["several ends"]())
    with pytest.raises(NetworkError, match=r"several outputs \(kind, age\); name one as a layer"):
        unnamed["logits"]
    assert measure(unnamed, 'channel("age", 1)', cat) == pytest.approx(
        measure(unnamed, 'channels("age", 1, 1)', cat)
    )
    with pytest.raises(NetworkError, match="none of its outputs is a list"):
        load_network(MODELS["adapted"]())["logits"]


def test_a_class_whose_name_differs_in_capitals_only():
    network = load_network(MODELS["Softmax"](), classes=["Cat", "cat", "Dog", "cup", "axe"])
    numbers = [
        parse(f'logit("{name}")').bind(network).weighted[0][1].which for name in ("Cat", "cat", "dog", "CUP")
    ]
    assert numbers == [0, 1, 2, 3]
    with pytest.raises(DeepDreamError, match="Cat and cat; write it as it stands"):
        parse('logit("CAT")').bind(network)


@pytest.mark.parametrize(
    "text",
    [
        'neuron("logits", 3)',
        'content("logits")',
        'style("logits")',
        'diversity("logits")',
        'filters("logits")',
        'contrast("logits")',
        'dot("logits")',
        'transport("logits")',
    ],
)
def test_terms_that_need_places_say_so(text, squeezenet):
    pictures = {"content": cat, "style": cat, "guide": cat}
    with pytest.raises(
        (NetworkError, ObjectiveError), match="needs a layer with places, and logits .* take fire9"
    ):
        dream(cat, squeezenet, text, octaves=1, steps=1, pictures=pictures)


def test_a_layer_of_another_network_says_whose_it_is(squeezenet):
    for name, others in (
        ("mixed3", "inception_v3 has"),
        ("block10_add", "lite0 has"),
        ("block4_conv2", "vgg16 and vgg19 have"),
        ("block5_conv4", "vgg19 has"),
    ):
        with pytest.raises(NetworkError, match=f"no layer '{name}'; {others} one"):
            squeezenet[name]
    with pytest.raises(NetworkError, match="squeezenet has one"):
        load_network()["fire5"]


@pytest.mark.parametrize(
    "given, said",
    [
        (dict(source="lite0", weights="none.h5"), "has its weights already"),
        (dict(source="mine.h5"), r'keras.models.load_model\("mine.h5"\).save\("mine.keras"\)'),
        (dict(source="mine.onnx"), r'model.save\("mine.keras"\)'),
        (dict(source="lite0", preprocessing="unit"), "is for own models"),
        (dict(source="nobody.keras"), "no network file nobody.keras"),
    ],
)
def test_what_cannot_be_loaded_says_why(given, said):
    with pytest.raises(NetworkError, match=said):
        load_network(**given)


# The machine around it


def test_what_a_user_has_set_in_keras_changes_no_pixel(tmp_path, deepdream):
    line = (
        "dream",
        "cat.jpg",
        "--network",
        "squeezenet",
        "--steps",
        1,
        "--octaves",
        1,
        "--min-side",
        0,
        "--out",
    )
    assert deepdream(*line, "here.png").returncode == 0
    (tmp_path / "keras.json").write_text(
        json.dumps(dict(floatx="float16", epsilon=1e-7, backend="jax", image_data_format="channels_first"))
    )
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, *map(str, line), "there.png"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there.png").read_bytes() == (tmp_path / "here.png").read_bytes()


def test_out_of_memory_names_options_that_the_command_has(tmp_path):
    def little_memory():
        resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))

    line = [*COMMAND, "gan", "--count", "100", "--size", "2048"]
    done = subprocess.run(line, cwd=tmp_path, preexec_fn=little_memory, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and not list(tmp_path.iterdir())
    assert done.stderr == "deepdream: out of memory; try a smaller --size or --count\n"

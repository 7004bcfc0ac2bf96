"""How long do we, xplique and Lucent take for the picture of a channel, and how much of it is worth anything?

`python tools/channel_peers.py`, on a machine with nothing else to do; `pip install 'deepdream_nb[bench]'`
brings the other two. Each draws the same channel of SqueezeNet, with the same weights, as it usually does, in
a process of its own. Our network then says of each picture what is left of the channel's mean after the
disturbance that leaves the least. Compilation is left out.
"""
import importlib.util
import subprocess
import sys
import tempfile

import numpy as np

from deepdream_nb.measures import disturbances
from deepdream_nb.networks import load_network
from deepdream_nb.objectives import channel, measure

NEEDS = {"ours": "deepdream_nb", "xplique": "xplique", "Lucent": "lucent"}
STEPS = {"ours": (10, 20, 40, 80), "xplique": (32, 64, 128, 256), "Lucent": (32, 64, 128, 256)}
CHANNEL, SIDE = 208, 128  # of fire7; pixels

PEERS = {
"ours": '''
from deepdream_nb.networks import load_network
from deepdream_nb.visualization import draw_channels
network = load_network("squeezenet")
def draw(steps): return draw_channels(network, "fire7", [CHANNEL], SIDE, steps)[0]
''',
"xplique": '''
from deepdream_nb.networks import load_network
from xplique.features_visualizations import Objective, optimize
import keras
whole = load_network("squeezenet").model
model = keras.models.clone_model(whole, input_tensors=keras.Input((SIDE, SIDE, 3)))
model.set_weights(whole.get_weights())
def draw(steps):
    wish = Objective.channel(model, "fire7", CHANNEL)
    images, _ = optimize(wish, nb_steps=steps, custom_shape=(SIDE, SIDE))
    return np.asarray(images[-1]).reshape(SIDE, SIDE, 3)
''',
"Lucent": '''
import torch, torchvision
from deepdream_nb.networks import load_network
from lucent.optvis import objectives, render, param
torch.set_num_threads(os.cpu_count())
layer = load_network("squeezenet").model.get_layer

def give(convolution, *names):  # ours keeps some kernels in two halves
    weights = [layer(name).get_weights() for name in names]
    kernel = np.concatenate([one[0] for one in weights], axis=2).transpose(3, 2, 0, 1)
    convolution.weight.data, convolution.bias.data = torch.tensor(kernel.copy()), torch.tensor(weights[0][1])

class SqueezeNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torchvision.models.squeezenet1_1(weights=None).features
        self.scale, offset = layer("centred").scale, np.ravel(layer("centred").offset)
        self.offset = torch.tensor(offset, dtype=torch.float32).reshape(1, -1, 1, 1)
        give(self.features[0], "conv1")
        for number, place in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12)):
            fire, halves = self.features[place], ("left", "right") if number > 2 else ()
            give(fire.squeeze, *[f"fire{number}_squeeze_{half}" for half in halves] or ["fire2_squeeze"])
            give(fire.expand1x1, f"fire{number}_expand1")
            give(fire.expand3x3, f"fire{number}_expand3")
    def forward(self, image): return self.features(image * self.scale + self.offset)

model = SqueezeNet().eval()
def draw(steps):
    images = render.render_vis(model, objectives.channel("features_10", CHANNEL), lambda: param.image(SIDE),
                               thresholds=(steps,), preprocess=False, progress=False, show_image=False)
    return np.clip(images[-1][0], 0, 1)
''',
}


def drawn(name):
    "For each number of steps (seconds, picture) of a peer, in a process of its own."
    script = f"import os, time\nimport numpy as np\nSIDE, CHANNEL = {SIDE}, {CHANNEL}\n{PEERS[name]}" + '''
def timed(steps):
    start = time.perf_counter()
    picture = draw(steps)
    return time.perf_counter() - start, picture

timed(2)
first = min(timed(2)[0] for _ in range(2))
found = [timed(steps) for steps in STEPS]
np.savez(OUT, seconds=[seconds - first for seconds, _ in found], pictures=[one for _, one in found])
'''
    with tempfile.TemporaryDirectory() as folder:
        script = f"OUT, STEPS = {folder + '/found.npz'!r}, {STEPS[name]}\n" + script
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        with np.load(f"{folder}/found.npz") as found:
            return list(zip(found["seconds"], found["pictures"].astype("float32")))


def kept(judge, picture):
    "What is left of the channel's mean by the disturbance that leaves the least."
    wish = channel("fire7", CHANNEL)
    return min(measure(judge, wish, disturb(picture)) for disturb in disturbances().values())


if __name__ == "__main__":
    judge = load_network("squeezenet")
    for name, counts in STEPS.items():
        if not importlib.util.find_spec(NEEDS[name]):
            print(f"{name:8} is not installed")
            continue
        for count, (seconds, picture) in zip(counts, drawn(name)):
            print(f"{name:8} {count:3} steps {seconds:6.1f} s   kept {kept(judge, picture):5.0f}")

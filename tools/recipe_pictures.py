"""Make the small pictures of recipes and layers, which the studio and the page that dreams show:
`python tools/recipe_pictures.py`

Those of VGG19 and InceptionV3 need their weights. With names, only theirs are made.
"""
import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

from deepdream_nb.images import load_image, sample, to_picture
from deepdream_nb.networks import load_network, main_layers
from deepdream_nb.recipes import make_dream, recipes
from deepdream_nb.workshop.files import make_folder

SIDE, PART, SIZE = 512, (130, 60, 370, 240), (120, 90)  # of the dream, what is cut from it, and its size
data = Path(__file__).parents[1] / "data"
photo = load_image(sample("mountains"), max_side=SIDE)
wanted = {f"recipes/{name}": recipe for name, recipe in recipes.items()}
for layer in main_layers(load_network("lite0"))[2:-1]:  # the first two see next to nothing, the last one all
    wanted[f"layers/{layer.name}"] = replace(recipes["default"], objective=f'layer("{layer.name}", "l2")')
wanted["layers/block4_depthwise"] = recipes["cells"]
for path, recipe in wanted.items():
    folder, name = path.split("/")
    if sys.argv[1:] and name not in sys.argv: continue
    made = make_dream(photo, replace(recipe, max_side=SIDE, min_side=0), progress=False)
    small = to_picture(made.image).crop(PART).resize(SIZE, Image.Resampling.LANCZOS)
    small.save(make_folder(data / folder) / f"{name}.jpg", quality=82, optimize=True)
    print(path)

"""Make the small pictures of the recipes that the studio shows: `python tools/recipe_pictures.py`

Those of VGG19 and InceptionV3 need their weights. With names, only theirs are made.
"""
import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

from deepdream_nb.images import load_image, sample, to_picture
from deepdream_nb.recipes import make_dream, recipes
from deepdream_nb.workshop.files import make_folder

SIDE, PART, SIZE = 512, (130, 60, 370, 240), (120, 90)  # of the dream, what is cut from it, and its size
folder = make_folder(Path(__file__).parents[1] / "data" / "recipes")
photo = load_image(sample("mountains"), max_side=SIDE)
for name in sys.argv[1:] or recipes:
    made = make_dream(photo, replace(recipes[name], max_side=SIDE, min_side=0), progress=False)
    small = to_picture(made.image).crop(PART).resize(SIZE, Image.Resampling.LANCZOS)
    small.save(folder / f"{name}.jpg", quality=82, optimize=True)
    print(name)

"""The small pictures of the lessons in data/front, cut from what the notebooks show: python docs/thumbnails.py"""
import base64
import io
from pathlib import Path

import nbformat
from PIL import Image, ImageOps

SIZE = (168, 112)
PARTS = {  # of each lesson the cell whose picture is taken, and which part of it: left, top, right, bottom in pixels
    "00_images": ("34dea02d", (2, 178, 378, 300)),
    "01_networks": ("90d78482", (222, 24, 438, 168)),
    "02_objectives": ("4c3fb9ec", (0, 18, 440, 166)),
    "03_ascent": ("0c505b87", (282, 20, 558, 304)),
    "04_style_transfer": ("c53ce6ed", (332, 24, 658, 238)),
    "05_vgg_dreams": ("8ee39dca", (332, 24, 658, 238)),
    "06_inception_dreams": ("94ef997e", (302, 22, 598, 222)),
    "07_octaves": ("bf439a97", (2, 18, 478, 288)),
    "08_guided_dreams": ("5000d0e0", (2, 22, 318, 236)),
    "09_recipes": ("1315dcec", (262, 222, 518, 388)),
    "10_datasets": ("acdf3233", (0, 22, 330, 264)),
    "10_folder_dreams": ("b03e298e", (0, 0, 346, 238)),
    "11_inception_retraining": ("5d9f1ca5", (182, 22, 358, 204)),
    "13_dream_generators": ("1cdb907f", (476, 20, 710, 200)),
    "14_panels": ("ae40d0c3", (0, 0, 1000, 594)),
    "15_cli": ("c959ef71", (422, 22, 838, 338)),
    "16_benchmarks": ("ecb5199c", (34, 28, 390, 234)),
}


def picture(lesson, cell):
    "The last picture that a cell of a lesson shows."
    cells = nbformat.read(Path("nbs", lesson).with_suffix(".ipynb"), as_version=4).cells
    shown = [output.data["image/jpeg"] for one in cells if one.id == cell for output in one.outputs if "image/jpeg" in output.get("data", {})]
    return Image.open(io.BytesIO(base64.b64decode(shown[-1])))


for lesson, (cell, box) in PARTS.items():
    ImageOps.fit(picture(lesson, cell).crop(box), SIZE, Image.Resampling.LANCZOS).save(Path("data/front", lesson).with_suffix(".jpg"), quality=78, optimize=True)

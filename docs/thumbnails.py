"""The small pictures of the lessons in data/front, cut from what the notebooks show: python docs/thumbnails.py"""
import base64
import io
from pathlib import Path

import nbformat
from PIL import Image, ImageOps

SIZE = (168, 112)
PARTS = {  # of each lesson the cell whose picture is taken, and which part of it: left, top, right, bottom in pixels
    "00_images": ("34dea02d", (2, 180, 378, 294)),
    "01_networks": ("90d78482", (224, 28, 436, 164)),
    "02_objectives": ("4c3fb9ec", (0, 22, 440, 160)),
    "03_ascent": ("0c505b87", (284, 24, 556, 298)),
    "04_style_transfer": ("c53ce6ed", (334, 26, 656, 230)),
    "05_vgg_dreams": ("8ee39dca", (334, 26, 656, 230)),
    "06_inception_dreams": ("94ef997e", (304, 26, 596, 214)),
    "07_octaves": ("bf439a97", (4, 22, 476, 282)),
    "08_guided_dreams": ("5000d0e0", (4, 26, 316, 230)),
    "09_recipes": ("1315dcec", (264, 226, 516, 382)),
    "10_archives": ("10a00020", (470, 56, 602, 144)),
    "10_datasets": ("acdf3233", (2, 24, 326, 258)),
    "10_folder_dreams": ("b03e298e", (2, 2, 344, 228)),
    "11_inception_retraining": ("5d9f1ca5", (184, 26, 356, 198)),
    "12_gan_dreams": ("5731873d", (302, 156, 527, 306)),
    "13_dream_generators": ("1cdb907f", (218, 18, 428, 172)),
    "14_panel_parts": ("ae40d0c3", (4, 4, 996, 590)),
    "14_panel_studio": ("203749d9", (10, 10, 990, 660)),
    "14_panels": ("d5c804fb", (10, 10, 990, 660)),
    "15_cli": ("c959ef71", (424, 28, 836, 330)),
    "16_benchmarks": ("ecb5199c", (34, 28, 390, 234)),
}


def picture(lesson, cell):
    "The last picture that a cell of a lesson shows."
    cells = nbformat.read(Path("nbs", lesson).with_suffix(".ipynb"), as_version=4).cells
    shown = [output.data["image/jpeg"] for one in cells if one.id == cell for output in one.outputs if "image/jpeg" in output.get("data", {})]
    return Image.open(io.BytesIO(base64.b64decode(shown[-1])))


for lesson, (cell, box) in PARTS.items():
    ImageOps.fit(picture(lesson, cell).crop(box), SIZE, Image.Resampling.LANCZOS).save(Path("data/front", lesson).with_suffix(".jpg"), quality=78, optimize=True)

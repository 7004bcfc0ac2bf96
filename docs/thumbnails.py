"""The pictures in data/front, cut from what the lessons show: `python docs/thumbnails.py`"""
import base64
import io
from pathlib import Path

import nbformat
from PIL import Image, ImageOps

SIZE = (420, 280)
PARTS = {  # of each notebook the cell whose picture is taken, and which part of it: left, top, right, bottom in pixels
    "00_first_dream": ("f1d0001c", (330, 125, 690, 365)),
    "01_images": ("c0100004", (2, 26, 398, 290)),
    "02_networks": ("c02a0004", (452, 352, 896, 646)),
    "03_objectives": ("4c3fb9ec", (452, 26, 898, 320)),
    "03a_penalties_and_transformations": ("ed023980", (324, 276, 636, 484)),
    "04_ascent": ("0e40348a", (456, 502, 896, 800)),
    "04a_fourier_space": ("08ee87f2", (644, 28, 956, 236)),
    "05_octaves": ("20a83a7e", (452, 28, 897, 324)),
    "06_large_pictures": ("5fa87e80", (440, 60, 800, 300)),
    "07_recipes": ("1315dcec", (334, 30, 656, 250)),
    "08_style_transfer": ("4e810a16", (4, 30, 444, 308)),
    "09_vgg_dreams": ("8ee39dca", (452, 30, 892, 322)),
    "10_inception_dreams": ("94ef997e", (100, 130, 700, 530)),
    "11_feature_visualization": ("9de9c3d8", (6, 60, 234, 212)),
    "11a_what_a_photo_becomes": ("1e50d41e", (4, 26, 316, 234)),
    "11b_concepts": ("11bc0001", (404, 28, 796, 289)),
    "12_guided_dreams": ("10709b8b", (4, 26, 396, 280)),
    "12a_masks_and_losses": ("a546a71d", (404, 24, 796, 285)),
    "13_is_it_true": ("bd0008", (6, 744, 306, 944)),
    "13a_what_a_step_is_worth": ("c057000a", (4, 28, 476, 342)),
    "14_datasets": ("acdf3233", (326, 50, 636, 257)),
    "15_inception_retraining": ("5d9f1ca5", (322, 26, 636, 236)),
    "16_gan_dreams": ("cd594837", (302, 4, 748, 302)),
    "16a_gan_training": ("db0909c1", (0, 0, 250, 167)),
    "16b_latent_dreams": ("5731873d", (302, 156, 527, 306)),
    "16c_autoencoders": ("1cf79612", (0, 0, 378, 252)),
    "17_dream_filters": ("1cdb907f", (420, 30, 780, 270)),
    "17a_what_a_filter_learns": ("17a20008", (4, 28, 316, 236)),
    "17b_filter_training": ("5e7db49b", (228, 1400, 450, 1548)),
    "17c_report_cards": ("17c10004", (644, 28, 956, 236)),
    "18_films": ("18000009", (2, 240, 298, 434)),
    "20_panels": ("20p00003", (10, 10, 990, 660)),
    "21_benchmarks": ("ecb5199c", (34, 28, 390, 234)),
    "apps/cli": ("c959ef71", (404, 30, 796, 318)),
    "apps/explorer": ("d5c804fb", (10, 10, 990, 660)),
    "apps/folder_runs": ("b03e298e", (2, 2, 344, 228)),
    "apps/studio": ("203749d9", (10, 10, 990, 660)),
}


def picture(notebook, cell):
    "The last picture that a cell shows."
    cells = nbformat.read(Path("nbs", f"{notebook}.ipynb"), as_version=4).cells
    outputs = [output.get("data", {}) for one in cells if one.id == cell for output in one.outputs]
    shown = [data["image/jpeg"] for data in outputs if "image/jpeg" in data]
    return Image.open(io.BytesIO(base64.b64decode(shown[-1])))


for notebook, (cell, box) in PARTS.items():
    small = ImageOps.fit(picture(notebook, cell).crop(box), SIZE, Image.Resampling.LANCZOS)
    small.save(Path("data/front", f"{Path(notebook).name}.jpg"), quality=80, optimize=True)


def in_a_row(name, image, boxes, width=900):
    "Parts of a picture in a row, saved for the front: the opening picture of a part of the course."
    parts = [image.convert("RGB").crop(box) for box in boxes]
    gap, (across, down) = 8, parts[0].size
    row = Image.new("RGB", (len(parts) * (across + gap) - gap, down), "white")
    for number, part in enumerate(parts): row.paste(part, (number * (across + gap), 0))
    row = row.resize((width, round(down * width / row.width)), Image.Resampling.LANCZOS)
    row.save(Path("data/front", f"{name}.jpg"), quality=85, optimize=True)


filters = Image.open("data/lessons/dream_filters.jpg")  # mountains, the filter's, the teacher's
in_a_row("part_3", filters, [(0, top, 320, top + 320) for top in (0, 320, 640)])
film = [(4, 16, 298, 210), (304, 16, 598, 210), (4, 240, 298, 434)]  # three of its frames
in_a_row("part_4", picture("18_films", "18000009"), film)

"""Say what `make test` did not run, as its last line."""
import re
import sys
from pathlib import Path

import nbformat

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from conftest import has_browser, has_chromium, has_npm, nouns, photos_given, weights_given  # noqa: E402

FLAGS = re.compile(r"(?m)^#\|\s*(pretrained|photos|slow)\s*$")
counts = {"pretrained": 0, "photos": 0, "slow": 0}
for path in Path("nbs").glob("**/[!.]*.ipynb"):
    for cell in nbformat.read(path, as_version=4).cells:
        for flag in set(FLAGS.findall(cell.source)) if cell.cell_type == "code" else (): counts[flag] += 1
flagged = ", ".join(f"{count} {flag}" for flag, count in counts.items() if count)
missing = [f"notebook cells flagged {flagged} (make notebooks runs them, with weights and photos)"]
REASONS = {
    "tests of VGG19 and InceptionV3 (name a folder with their weights in DEEPDREAM_WEIGHTS)": weights_given,
    "tests of real photos (a folder with natural_images and imagenet25 in DEEPDREAM_PHOTOS)": photos_given,
    "the check against WordNet 3.0 (Debian: apt install wordnet-base)": nouns.exists(),
    "tests of the panels in a browser (Debian: apt install chromium)": has_browser,
    "tests of the page that dreams in a browser (with Chromium, and npm, which fetches ONNX Runtime Web)":
        has_chromium and has_npm,
}
missing += [reason for reason, is_here in REASONS.items() if not is_here]
print(f"Not run here: {'; '.join(missing)}.")

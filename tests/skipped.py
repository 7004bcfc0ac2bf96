"""Say what `make test` did not run, as its last line."""
import re
from pathlib import Path

import nbformat
from conftest import has_browser, has_photos, has_weights, nouns

flags = re.compile(r"(?m)^#\|\s*(pretrained|photos|slow)\s*$")
counts = {"pretrained": 0, "photos": 0, "slow": 0}
for path in sorted([*Path("nbs").glob("*.ipynb"), *Path("nbs/solutions").glob("*.ipynb")]):
    for cell in nbformat.read(path, as_version=4).cells:
        for flag in set(flags.findall(cell.source)) if cell.cell_type == "code" else ():
            counts[flag] += 1
cells = ", ".join(f"{count} {flag}" for flag, count in counts.items() if count)
tests = "" if has_weights else "; the tests of VGG19 and InceptionV3 (name a folder with their weights in DEEPDREAM_WEIGHTS)"
tests += "" if has_photos else "; those of the real photos (name a folder with natural_images and imagenet25 in DEEPDREAM_PHOTOS)"
tests += "" if nouns.exists() else "; the check against WordNet 3.0 (Debian: apt install wordnet-base)"
tests += "" if has_browser else "; those of the panels in a browser (Debian: apt install chromium)"
print(f"Not run here: notebook cells flagged {cells} (make notebooks runs them, with weights and photos){tests}.")

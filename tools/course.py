"""Copy the lessons to a folder of the reader's own, and bring it up to date: `make course FOLDER=my-course`

    python tools/course.py my-course

What the reader has changed is never overwritten; a list of hashes in the folder tells what that is.
"""
import hashlib
import json
import sys
from pathlib import Path

from deepdream_nb.workshop.files import DeepDreamError, FileError, make_folder, write_atomically

HERE = Path(__file__).parents[1]
PARTS = ("nbs/*.ipynb", "nbs/*/*.ipynb", "data/diagrams/*", "data/front/*", "data/lessons/*", "data/panels/*",
         "docs/*.md")


def known_copies(folder):
    "What was copied to a folder before: {name: hash}; raises `FileError` for a folder of something else."
    listed = folder / ".copied.json"
    if listed.exists(): return json.loads(listed.read_text(encoding="utf-8"))
    if any(make_folder(folder).iterdir()):
        raise FileError(f"{folder} holds something else; name another FOLDER")
    write_atomically(listed, b"{}")
    write_atomically(folder / ".gitignore", b"*\n")  # wherever the folder is
    return {}


def hash_of(path): return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def copy_course(folder, source=HERE):
    "Copy what is new in `source`; returns the names of what was copied, and of what the reader has changed."
    known, copied, kept = known_copies(Path(folder)), [], []
    for path in sorted(path for part in PARTS for path in Path(source).glob(part)):
        name = path.relative_to(source).as_posix()
        target, new = Path(folder, name), hash_of(path)
        there = hash_of(target)
        if there not in (None, new, known.get(name)): kept.append(name)
        else:
            if there != new:
                make_folder(target.parent)
                write_atomically(target, path.read_bytes())
                copied.append(name)
            known[name] = new
    write_atomically(Path(folder, ".copied.json"), json.dumps(known, indent=0).encode())
    return copied, kept


if __name__ == "__main__":
    try: copied, kept = copy_course(sys.argv[1])
    except DeepDreamError as error: sys.exit(f"make course: {error}")
    count = sum(name.endswith(".ipynb") for name in copied)
    print(f"{sys.argv[1]}: {count} notebooks copied" if copied else f"{sys.argv[1]} is up to date")
    for name in kept: print(f"Kept as you left it: {Path(sys.argv[1], name)}; the course's own is {name}")
    print("To open it: make lab" + (f" FOLDER={sys.argv[1]}" if sys.argv[1] != "my-course" else ""))

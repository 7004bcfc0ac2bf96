"""Package metadata; the values themselves live in settings.ini."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

config = ConfigParser()
config.read("settings.ini", encoding="utf-8")
settings = config["DEFAULT"]


def requirements(extra):
    "The packages of an extra; [films] among them stands for those of the extra films."
    names = []
    for name in settings[f"{extra}_requirements"].split():
        names += requirements(name[1:-1]) if name.startswith("[") else [name]
    return names


setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=settings["keywords"],
    author=settings["author"],
    author_email=settings["author_email"],
    url=settings["git_url"],
    license="Apache-2.0",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    packages=["deepdream_nb", "deepdream_nb.workshop", "deepdream_nb.apps", "deepdream_nb.data"],
    package_dir={"deepdream_nb.data": "data"},
    package_data={"deepdream_nb.data": [
        "*.jpg", "*.txt", "*.md", "paintings/*.jpg", "recipes/*.jpg",
        "filters/*.filter", "filters/*.jpg", "gans/*.gan", "layers/*.jpg", "page/*",
    ]},
    python_requires=f">={settings['min_python']}",
    install_requires=settings["requirements"].split(),
    extras_require={
        key.removesuffix("_requirements"): requirements(key.removesuffix("_requirements"))
        for key in settings if key.endswith("_requirements")
    },
    entry_points={"console_scripts": settings["console_scripts"].split()},
)

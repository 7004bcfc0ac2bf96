"""Deep dreams, style transfer and what networks see: `from deepdream_nb import load_image, make_dream, show`.

Written by hand, but for the version, which comes from settings.ini.
"""
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

__version__ = "0.1.0"

_names = {  # the main names, by the module that each lives in; this is their one list
    "workshop.files": "DeepDreamError",
    "images": "compare load_image load_pictures match_colors resize sample save_image show",
    "networks": "classify load_network main_layers",
    "objectives": "channel channels direction layer logit neuron parse total_variation",
    "octaves": "dream",
    "records": "Dream read_record save_dream",
    "recipes": "Recipe follow load_recipe make_dream make_dreams recipe_diff recipes replay with_effort",
    "style": "StyleRecipe make_style stylize",
    "visualization": "draw_channels make_channels rank_channels",
    "guides": "guide masked",
    "gan": "load_gan",
    "filters": "FilterRecipe filter_names load_filter",
    "filter_training": "train_filter",
    "retraining": "retrain",
    "films": "dream_film make_zoom",
}
_homes = {name: module for module, names in _names.items() for name in names.split()}
__all__ = sorted(_homes)


def __getattr__(name):
    "Import a main name at its first use (PEP 562), so that the package is quick to import."
    if name in _homes: return getattr(import_module(f"{__name__}.{_homes[name]}"), name)
    from difflib import get_close_matches
    near = get_close_matches(name, __all__)
    said = f"deepdream_nb has no {name!r}; " + (
        f"did you mean {' or '.join(near)}?" if near else "dir(deepdream_nb) lists the main names")
    # Of an AttributeError, `from deepdream_nb import ...` would drop the sentence.
    importing = sys._getframe(1).f_code.co_name == "_handle_fromlist" and not find_spec(f"{__name__}.{name}")
    raise ImportError(said, name=__name__) if importing else AttributeError(said)


def __dir__(): return sorted({*globals(), *__all__})


class _Package(ModuleType):
    def __setattr__(self, name, value):
        "An imported submodule takes no main name: `recipes` is the named recipes, not their module."
        if not (name in _homes and isinstance(value, ModuleType)): super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

"""A Griffe extension: comments on parameters (docments) become the parameter tables of the API reference."""
import inspect
from importlib import import_module

import griffe
from fastcore.docments import docments


def living(documented):
    "The Python object that Griffe read the source of."
    thing = import_module(documented.module.path)
    path = documented.path.removeprefix(documented.module.path + ".")
    for name in path.split("."): thing = inspect.getattr_static(thing, name)
    return inspect.unwrap(thing)


class Docments(griffe.Extension):
    def on_package(self, *, pkg, **_):
        for module in pkg.modules.values():
            self.describe_all(module)
            self.on_package(pkg=module)

    def describe_all(self, parent):
        "Describe the functions and classes that a module or class defines, and the methods of the latter."
        for part in parent.members.values():
            if not part.is_alias and (part.is_function or part.is_class):
                self.describe(part)
                if part.is_class: self.describe_all(part)

    def describe(self, documented):
        "Add a table of those parameters that have a comment."
        comments = docments(living(documented), returns=False)
        rows = [griffe.DocstringParameter(name, description=text) for name, text in comments.items() if text]
        if rows and documented.docstring:
            documented.docstring.parsed.append(griffe.DocstringSectionParameters(rows))

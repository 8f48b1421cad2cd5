"""A folder is a registry: `encoder = "narm"` names the file `encoders/narm.py`.

There is no table to edit and no decorator: a new file is found, listed and tested at once. Names that begin with an
underscore are shared helpers, not members.
"""

import importlib
import pkgutil
from types import ModuleType

from hiersrec.errors import UnknownName, did_you_mean


def names(folder: str) -> list[str]:
    """Sorted names of the members of a folder of the package, such as "datasets" or "model.encoders"."""
    package = importlib.import_module(f"hiersrec.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def load(folder: str, name: str) -> ModuleType:
    """Import the member `name` of a folder; raises UnknownName, naming the nearest one, if there is none."""
    members = names(folder)
    if name not in members:
        raise UnknownName(f"No '{name}' in hiersrec/{folder.replace('.', '/')}/. {did_you_mean(name, members)}")
    return importlib.import_module(f"hiersrec.{folder}.{name}")

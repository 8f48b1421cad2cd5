"""A folder is a registry: `encoders/narm.py` is what `encoder = "narm"` names. The only dynamic import of the house.

No table to edit and no decorator: a new file is found, listed and tested the moment it exists. Names that begin with an
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
    known = names(folder)
    if name not in known:
        place = folder.replace(".", "/")
        raise UnknownName(f"No '{name}' in hiersrec/{place}/. {did_you_mean(name, known)}")
    return importlib.import_module(f"hiersrec.{folder}.{name}")

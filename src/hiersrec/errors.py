"""The errors that users meet. Every message says what is wrong, the rule, the value received and the way out.

    HiersrecError            anything this library raises on purpose
    ├── BadInput             a file, column, row or value of the user's data breaks a rule
    ├── BadRecipe            a recipe has an unknown key, a wrong type or an impossible value
    ├── UnknownName          no module, recipe or dataset of that name
    ├── BadFolder            a dataset or run folder is missing, cut short, too new, or of another kind
    └── MissingExtra         an optional package is not installed

The command line prints the message alone and exits with code 2. A broken promise of our own is an `assert`.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

DEFAULT_RECIPE = "best"
"""The recipe used when none is named, and the one that messages advise: the most accurate on validation sessions."""
EXTRAS = {
    "train": (
        *("annotated_types", "duckdb", "ibis", "pyarrow", "pydantic", "safetensors", "scipy", "sklearn", "sknetwork"),
        *("threadpoolctl", "tomli_w", "torch"),
    ),
    "export": ("onnx", "onnxscript"),
    "serve": ("fastapi", "onnxruntime", "prometheus_client", "simsimd", "starlette", "uvicorn"),
}
"""Packages, as they are imported, by the extra of ours that installs them."""
INSTALL = "In the folder of your hiersrec checkout, run: pip install '.[{extra}]'"
"""How to install an extra; hiersrec is on no package registry."""


class HiersrecError(Exception):
    """Base of all errors that are the user's to mend."""


class BadInput(HiersrecError):
    """The user's data breaks a rule."""


class BadRecipe(HiersrecError):
    """A recipe can't be read as one."""


class UnknownName(HiersrecError):
    """Nothing of that name is there."""


class BadFolder(HiersrecError):
    """A folder is not what it should be."""


class MissingExtra(HiersrecError):
    """An optional package is needed and absent."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"This needs the package '{package}', which is not installed. {INSTALL.format(extra=extra)}")


@contextmanager
def named_extras() -> Iterator[None]:
    """Inside, where a package of one of the EXTRAS is absent, MissingExtra says so in place of Python."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                raise MissingExtra(package, extra) from error
        raise


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Name the nearest known name, and all of them, such as: Did you mean 'narm'? Known: gru, narm."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."

"""The errors that users meet. Every message says what is wrong, the rule, the value received and the way out.

    HiersrecError            every error that this library raises on purpose
    ├── BadInput             a file, column, row or value of the user's data breaks a rule
    ├── BadRecipe            a recipe has an unknown key, a wrong type or an impossible value
    ├── UnknownName          there is no module, recipe or dataset of that name
    ├── BadFolder            a dataset, run or bundle folder is missing, incomplete, too new, or of another kind
    ├── BadPlugin            a member of a registry that another distribution brings can't be used
    ├── MissingExtra         an optional package is not installed
    └── MachineError         the machine failed: disk full or read-only, too many open files, no memory (machine.py)

The command line prints only the message and exits with code 2, or 1 for a MachineError. Our own invariants are checked
by `assert`.
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
    "batch": ("duckdb", "ibis", "pyarrow", "threadpoolctl"),
    "export": ("onnx", "onnxscript"),
    "mlflow": ("alembic", "mlflow", "sqlalchemy"),
    "serve": ("fastapi", "onnxruntime", "prometheus_client", "simsimd", "starlette", "uvicorn"),
    "tensorboard": ("tensorboard",),
}
"""Extra of this package -> names under which the packages that it installs are imported."""
INSTALL = "pip install '.[{extra}]'"
"""How to install an extra, in a checkout; the docs say the same line. hiersrec is on no package registry."""


class HiersrecError(Exception):
    """Base of all errors that the user can fix."""


class BadInput(HiersrecError):
    """The user's data breaks a rule."""


class BadRecipe(HiersrecError):
    """A recipe is invalid."""


class UnknownName(HiersrecError):
    """There is no member of that name."""


class BadFolder(HiersrecError):
    """A folder is missing, incomplete, or of another kind or version."""


class BadPlugin(HiersrecError):
    """A member of a registry from another distribution can't be used."""


class MachineError(HiersrecError):
    """The machine failed, and not its user."""


class MissingExtra(HiersrecError):
    """A package of an extra is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package '{package}', which is not installed. In the folder of your hiersrec checkout, "
            f"run: {INSTALL.format(extra=extra)} (with a wheel, its path takes the place of the dot)"
        )


@contextmanager
def named_extras(*first: str) -> Iterator[None]:
    """Turn a ModuleNotFoundError for a package of the EXTRAS into MissingExtra.

    first: extras to name where several have the package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra in (*first, *EXTRAS):
            if package in EXTRAS[extra]:
                raise MissingExtra(package, extra) from error
        raise


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The nearest known name, if one is near, and all of them: "Did you mean 'narm'? Known: gru, narm."."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


def repr_of(value: object) -> str:
    """The repr of a received value on one line, at most 60 characters, for an error message."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of more than 4,300 digits"
    if "\n" in text:  # a frame
        return f"a {type(value).__name__}"
    return text[:60]

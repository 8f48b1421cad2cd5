"""What `import hiersrec` offers, and what it must not cost."""

import subprocess
import sys
from types import ModuleType

import pytest

import hiersrec

HEAVY = ("torch", "ibis", "duckdb", "pandas", "scipy", "typer")


def test_all_is_sorted_and_complete() -> None:
    public = {name for name, value in vars(hiersrec).items() if name[0] != "_" and not isinstance(value, ModuleType)}

    assert hiersrec.__all__ == sorted({*public, "__version__"})
    assert "Recommender" in public


@pytest.mark.parametrize("module", ["hiersrec", "hiersrec.serving.recommender"])
def test_the_import_is_light(module: str) -> None:
    # A fresh process: this one has imported everything long ago.
    code = f"import sys, {module}; sys.stdout.write(' '.join(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr

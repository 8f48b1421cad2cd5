"""Run drills and print their table; exits with 1 if a try failed."""

import argparse
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from tests.drills.report import Row, table

NOT_DRILLS = ("__main__", "report")


def names() -> list[str]:
    """The modules of this folder that are drills."""
    modules = [module.name for module in iter_modules([str(Path(__file__).parent)])]
    return [name for name in modules if name not in NOT_DRILLS and not name.startswith(("test_", "_"))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", help="drills, all if none is named")
    parser.add_argument("--tries", type=int, help="tries of each row")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name in arguments.names or names():
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))  # no TemporaryDirectory, which forked processes would remove
        try:
            for row in import_module(f"tests.drills.{name}").drill(arguments.tries, folder):
                sys.stderr.write(f"{name}: {row.target}: {row.tries} tries, {len(row.failures)} failures\n")
                sys.stderr.writelines(f"  {failure}\n" for failure in row.failures)
                rows.append(row)
        finally:
            shutil.rmtree(folder)
    sys.stdout.write(table(rows) + "\n")
    sys.exit(any(row.failures for row in rows))


if __name__ == "__main__":
    main()

"""The place of this process among those that torchrun started; importing this file loads no torch."""

import os
from typing import NoReturn


def by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first() -> bool:
    """Whether this is the process that prints results."""
    return not by_torchrun() or os.environ["RANK"] == "0"


def launch_command() -> list[str]:
    """The words before `train` that start this training again."""
    if not by_torchrun():
        return ["hiersrec"]
    from hiersrec.training import distributed

    return distributed.launch_command()


def exit_process(code: int) -> NoReturn:
    """Exit without Python's shutdown, which a torch thread that still runs sometimes aborts."""
    from hiersrec.training import distributed

    distributed.exit_process(code)

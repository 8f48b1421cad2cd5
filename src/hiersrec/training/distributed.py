"""The processes that train one model together; torchrun starts them.

    torchrun --nproc-per-node 2 -m hiersrec train DIR --out RUN

Each holds the whole model and trains its share of every batch, and gradients are averaged: `batch_size` is that of all
together, and N processes train the model that one would. The first alone speaks and writes. Without torchrun there is
one process, which tells nobody anything.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, cast

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from hiersrec.errors import HiersrecError
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.types import Int64

Loss = Callable[[Tensor, Tensor, Targets], tuple[Tensor, dict[str, Tensor]]]
"""What Trainable.loss is."""


@dataclass(frozen=True)
class ProcessGroup:
    """One of them. Methods that exchange something must be called by all, in the same order."""

    rank: int
    """From 0; the first is the one that speaks and writes."""
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that speaks and writes."""
        return self.rank == 0

    @contextmanager
    def synchronized(self) -> Iterator[None]:
        """What all do, or the first alone: nobody goes on before all are done, and the mistake of one is that of all.

        Raises HiersrecError in all if one did so inside, where nothing may be exchanged.
        """
        if self.count == 1:
            yield
            return
        mistake: HiersrecError | None = None
        try:
            yield
        except HiersrecError as error:
            mistake = error
        for rank, text in enumerate(self.texts("" if mistake is None else str(mistake))):
            if text:
                raise mistake or HiersrecError(f"Process {rank + 1} of {self.count}: {text}")

    def texts(self, text: str) -> list[str]:
        """The texts of all, in order of rank."""
        sent = torch.tensor(list(text.encode()), dtype=torch.uint8)
        return [bytes(one.tolist()).decode() for one in self.gathered(sent)]

    def gathered(self, rows: Tensor) -> list[Tensor]:
        """The rows (R, ...) of all, in order of rank; each may have its own R."""
        if self.count == 1:
            return [rows]
        mine = torch.tensor([len(rows)], device=rows.device)
        sizes = [torch.empty_like(mine) for _ in range(self.count)]
        distributed.all_gather(sizes, mine)
        counts = torch.cat(sizes).tolist()
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in range(self.count)]
        distributed.all_gather(found, padded)
        return [one[:count] for one, count in zip(found, counts, strict=True)]

    def total(self, values: Int64) -> Int64:
        """The sum of the arrays of all, which have one shape."""
        if self.count == 1:
            return values
        summed = torch.from_numpy(values.copy())
        distributed.all_reduce(summed)
        return cast("Int64", summed.numpy())

    def mean(self, values: Tensor) -> Tensor:
        """The mean of the tensors of all, which have one shape."""
        if self.count == 1:
            return values
        summed = values / self.count
        distributed.all_reduce(summed)
        return summed

    def share(self, rows: Int64) -> Int64:
        """What this one takes of the rows of a batch; may be none."""
        return rows[self.rank :: self.count]

    def start_random(self, seed: int) -> None:
        """Give each of the others draws of its own, such as dropout; those of the first are as if it were alone."""
        if not self.first:
            torch.manual_seed(int(np.random.SeedSequence([seed, self.rank]).generate_state(1, np.uint64)[0] >> 1))

    def loss_of(self, model: Trainable) -> Loss:
        """`model.loss`, whose backward pass leaves the mean of the gradients of all, but for sparse tables
        (average_rows).
        """
        if self.count == 1:
            return model.loss
        # To look for unused parameters keeps the order in which gradients are added: otherwise they are laid out anew
        # after the first step, and a training that was resumed would differ by a rounding.
        module = DistributedDataParallel(_Loss(model), find_unused_parameters=True, gradient_as_bucket_view=True)
        return cast("Loss", module)

    def average_rows(self, tables: Iterable[nn.Parameter]) -> None:
        """Put the mean of the sparse gradients of all into tables, which DistributedDataParallel passes over."""
        if self.count == 1:
            return
        for table in tables:
            assert table.grad is not None, "each step reads items"
            own = table.grad.coalesce()
            rows = torch.cat(self.gathered(own.indices()[0]))
            values = torch.cat(self.gathered(own.values())) / self.count
            table.grad = torch.sparse_coo_tensor(rows[None], values, table.shape, check_invariants=False)


class _Loss(nn.Module):
    """What DistributedDataParallel wraps: the loss, and the parameters that have dense gradients."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        sparse = {id(one) for one in model.sparse_parameters()}
        self.dense = nn.ParameterList(one for one in model.parameters() if id(one) not in sparse)
        self.unused = nn.Parameter(torch.zeros(()))  # without one, each process would warn that there is none
        self.loss = model.loss  # a method, not the module: the tables stay out

    def forward(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        """That of the model."""
        return self.loss(items, lengths, targets)


def single_process() -> ProcessGroup:
    """One process, on the GPU if there is one."""
    return ProcessGroup(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def process_group(report: Callable[[HiersrecError], None]) -> Iterator[ProcessGroup]:
    """The processes that torchrun started, or this one alone.

    A mistake that is raised inside, by all, is reported by the first, and all end with exit code 2; that of one process
    alone is raised as it is. Ctrl-C raises KeyboardInterrupt in the first; the others end with it and are silent.
    """
    count = int(os.environ["WORLD_SIZE"]) if distributed.is_torchelastic_launched() else 1
    if count == 1:
        yield single_process()
        return
    here = _join(int(os.environ["RANK"]), count, int(os.environ["LOCAL_RANK"]))
    stopped: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if not here.first:
        signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    try:
        with here.synchronized():
            select_device(here.device)
        yield here
    except HiersrecError as error:
        if here.first:
            report(error)
        # Once one process has ended, torchrun ends the others: the report must be out by then, and all give their code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        here.texts("")
        distributed.destroy_process_group()
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        _leave(here)
        raise
    except Exception:
        if stopped:  # the first has left, and an exchange with it has failed
            _leave(here)
            raise SystemExit(130) from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    distributed.destroy_process_group()


def exit_process(code: int) -> NoReturn:
    """End this process before Python takes itself apart: now and then a thread of torch that still runs aborts that."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def launch_command() -> list[str]:
    """The words that stand before `train` to start this training once more."""
    if not distributed.is_torchelastic_launched():
        return ["hiersrec"]
    nodes = os.environ["GROUP_WORLD_SIZE"]
    words = ["torchrun", *([] if nodes == "1" else ["--nnodes", nodes])]
    return [*words, "--nproc-per-node", os.environ["LOCAL_WORLD_SIZE"], "-m", "hiersrec"]


def _join(rank: int, count: int, place: int) -> ProcessGroup:
    """Meet the others; `place` is the number of this process on its machine."""
    on_gpu = torch.cuda.is_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    return ProcessGroup(rank, count, torch.device("cuda", place) if on_gpu else torch.device("cpu"))


def _leave(here: ProcessGroup) -> None:
    """Leave the others in the middle of something. On a GPU that might wait for them; torchrun ends all in any case."""
    if here.device.type == "cpu":
        distributed.destroy_process_group()


def select_device(device: torch.device) -> None:
    """Make a GPU that of this process; raises HiersrecError if there is none of that number."""
    if device.type == "cuda":
        if device.index >= (there := torch.cuda.device_count()):
            raise HiersrecError(
                f"Each process needs a GPU of its own: this machine has {there}, and process {device.index + 1} of it "
                f"has none. Start it with --nproc-per-node {there}, or with CUDA_VISIBLE_DEVICES= to train without."
            )
        torch.cuda.set_device(device)

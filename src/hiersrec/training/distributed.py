"""The processes that train one model together, started by torchrun.

    torchrun --nproc-per-node 2 -m hiersrec train DIR --out RUN

Each process holds the whole model and trains its share of every batch. Gradients are averaged and `batch_size` counts
all processes, so N processes train the model that one would. Only the first process logs and writes. Without torchrun
there is one process, and nothing is exchanged.
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
"""The signature of Trainable.loss."""


@dataclass(frozen=True)
class ProcessGroup:
    """All processes, seen from one of them. Methods that exchange data must be called by all, in the same order."""

    rank: int
    """Of this process, from 0."""
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process logs and writes."""
        return self.rank == 0

    @contextmanager
    def synchronized(self) -> Iterator[None]:
        """Wait at the end for all processes. A HiersrecError that one raises inside is raised in all of them.

        Nothing may be exchanged inside.
        """
        if self.count == 1:
            yield
            return
        own_error: HiersrecError | None = None
        try:
            yield
        except HiersrecError as error:
            own_error = error
        for rank, text in enumerate(self.gather_texts("" if own_error is None else str(own_error))):
            if text:
                raise own_error or HiersrecError(f"Process {rank + 1} of {self.count}: {text}")

    def gather_texts(self, text: str) -> list[str]:
        """The texts of all processes, in order of rank."""
        encoded = torch.tensor(list(text.encode()), dtype=torch.uint8)
        return [bytes(rows.tolist()).decode() for rows in self.gather(encoded)]

    def gather(self, rows: Tensor) -> list[Tensor]:
        """The rows (R, ...) of all processes, in order of rank; each may have another R."""
        if self.count == 1:
            return [rows]
        own_size = torch.tensor([len(rows)], device=rows.device)
        sizes = [torch.empty_like(own_size) for _ in range(self.count)]
        distributed.all_gather(sizes, own_size)
        counts = torch.cat(sizes).tolist()
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in range(self.count)]
        distributed.all_gather(gathered, padded)
        return [values[:count] for values, count in zip(gathered, counts, strict=True)]

    def total(self, values: Int64) -> Int64:
        """The sum over all processes of arrays of one shape."""
        if self.count == 1:
            return values
        summed = torch.from_numpy(values.copy())
        distributed.all_reduce(summed)
        return cast("Int64", summed.numpy())

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes of tensors of one shape."""
        if self.count == 1:
            return values
        summed = values / self.count
        distributed.all_reduce(summed)
        return summed

    def share(self, rows: Int64) -> Int64:
        """The rows of a batch that this process trains; may be none."""
        return rows[self.rank :: self.count]

    def seed_random(self, seed: int) -> None:
        """Give every process but the first its own random draws, such as dropout; the first draws as a single one."""
        if not self.first:
            torch.manual_seed(int(np.random.SeedSequence([seed, self.rank]).generate_state(1, np.uint64)[0] >> 1))

    def parallel_loss(self, model: Trainable) -> Loss:
        """`model.loss`, whose backward pass averages gradients over all processes, except those of sparse tables."""
        if self.count == 1:
            return model.loss
        # Looking for unused parameters keeps the order in which gradients are added. Otherwise buckets are rebuilt
        # after the first step, and a resumed training would differ by a rounding.
        module = DistributedDataParallel(_Loss(model), find_unused_parameters=True, gradient_as_bucket_view=True)
        return cast("Loss", module)

    def average_sparse_gradients(self, tables: Iterable[nn.Parameter]) -> None:
        """Average the gradients of tables that DistributedDataParallel leaves out."""
        if self.count == 1:
            return
        for table in tables:
            assert table.grad is not None, "each step reads items"
            own = table.grad.coalesce()
            rows = torch.cat(self.gather(own.indices()[0]))
            values = torch.cat(self.gather(own.values())) / self.count
            table.grad = torch.sparse_coo_tensor(rows[None], values, table.shape, check_invariants=False)


class _Loss(nn.Module):
    """The module for DistributedDataParallel: the loss, and the parameters that have dense gradients."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        sparse = {id(table) for table in model.sparse_parameters()}
        self.dense = nn.ParameterList(parameter for parameter in model.parameters() if id(parameter) not in sparse)
        self.unused = nn.Parameter(torch.zeros(()))  # without one, each process would warn that there is none
        self.loss = model.loss  # a method, not the module: the tables stay out

    def forward(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        return self.loss(items, lengths, targets)


def single_process() -> ProcessGroup:
    """A training without torchrun, on the GPU if there is one."""
    return ProcessGroup(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def process_group(report: Callable[[HiersrecError], None]) -> Iterator[ProcessGroup]:
    """The processes that torchrun started, or a single one.

    Of several processes the first reports a HiersrecError that all raise inside, and all exit with code 2; a single
    process just raises it. Ctrl-C raises KeyboardInterrupt in the first; the others exit silently.
    """
    count = int(os.environ["WORLD_SIZE"]) if distributed.is_torchelastic_launched() else 1
    if count == 1:
        yield single_process()
        return
    processes = _init(int(os.environ["RANK"]), count, int(os.environ["LOCAL_RANK"]))
    interrupts: list[int] = []
    previous_handler = signal.getsignal(signal.SIGINT)
    if not processes.first:
        signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        with processes.synchronized():
            select_device(processes.device)
        yield processes
    except HiersrecError as error:
        if processes.first:
            report(error)
        # Once one process has exited, torchrun ends the others: the report must be out by then, and all exit with 2.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        processes.gather_texts("")
        distributed.destroy_process_group()
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        _abort(processes)
        raise
    except Exception:
        if interrupts:  # the first process has exited, and an exchange with it has failed
            _abort(processes)
            raise SystemExit(130) from None
        raise
    finally:
        signal.signal(signal.SIGINT, previous_handler)
    distributed.destroy_process_group()


def exit_process(code: int) -> NoReturn:
    """Exit without Python's shutdown, which a torch thread that still runs sometimes aborts."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def launch_command() -> list[str]:
    """The words before `train` that start this training again."""
    if not distributed.is_torchelastic_launched():
        return ["hiersrec"]
    nodes = os.environ["GROUP_WORLD_SIZE"]
    words = ["torchrun", *([] if nodes == "1" else ["--nnodes", nodes])]
    return [*words, "--nproc-per-node", os.environ["LOCAL_WORLD_SIZE"], "-m", "hiersrec"]


def _init(rank: int, count: int, local_rank: int) -> ProcessGroup:
    on_gpu = torch.cuda.is_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    return ProcessGroup(rank, count, torch.device("cuda", local_rank) if on_gpu else torch.device("cpu"))


def _abort(processes: ProcessGroup) -> None:
    """Leave the group in the middle of an exchange. On a GPU that might block; torchrun ends all in any case."""
    if processes.device.type == "cpu":
        distributed.destroy_process_group()


def select_device(device: torch.device) -> None:
    """Make `device` the current GPU of this process; raises HiersrecError if the machine lacks it."""
    if device.type == "cuda":
        if device.index >= (count := torch.cuda.device_count()):
            raise HiersrecError(
                f"Each process needs its own GPU: this machine has {count}, and process {device.index + 1} of it has "
                f"none. Start it with --nproc-per-node {count}, or with CUDA_VISIBLE_DEVICES= to train without GPUs."
            )
        torch.cuda.set_device(device)

"""What the contracts of several kinds share."""

import ast
import dataclasses
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn

T = TypeVar("T")


def check_docstring(module: ModuleType) -> None:
    """The module says what it is."""
    assert ast.get_docstring(ast.parse(inspect.getsource(module))), f"{module.__name__} has no docstring"


def check_config(module: ModuleType) -> None:
    """The settings are a frozen dataclass with a text under each field, and the module says what it is."""
    check_docstring(module)
    config: Any = module.Config
    is_dataclass = dataclasses.is_dataclass(config)
    assert is_dataclass, f"Config of {module.__name__} must be a dataclass"
    assert config.__dataclass_params__.frozen, f"Config of {module.__name__} must be frozen"
    assert config.__doc__, f"Config of {module.__name__} has no docstring"
    assert undocumented(module) == [], f"no text under {', '.join(undocumented(module))} of {module.__name__}"


def undocumented(module: ModuleType) -> list[str]:
    """Fields of the module's Config without a text under them."""
    tree = ast.parse(inspect.getsource(module))
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config"]
    assert len(bodies) == 1, f"{module.__name__} must have one class Config of its own"
    pairs = zip(bodies[0], [*bodies[0][1:], None], strict=True)
    return [
        statement.target.id
        for statement, after in pairs
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value)
    ]


def check_parameters(function: Callable[..., object], names: list[str]) -> None:
    """The function takes what it is called with."""
    taken = list(inspect.signature(function).parameters)
    assert taken == names, f"{function.__module__}.{function.__name__} takes {taken}, must take {names}"


def check_parameters_get_gradients(module: nn.Module) -> None:
    """After a backward pass."""
    asleep = [name for name, one in module.named_parameters() if one.grad is None or one.grad.abs().max() == 0]
    assert asleep == [], f"no gradient reaches {', '.join(asleep)}"


def two_threads(call: Callable[[], T], times: int) -> list[T]:
    """Results of a call that is repeated on two threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return [call() for _ in range(times)]
    finally:
        torch.set_num_threads(threads)

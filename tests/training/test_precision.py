import pytest
import torch

from hiersrec.training import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("device", [CPU, torch.device("cuda")])
def test_what_is_asked_for_is_taken(device) -> None:
    assert precision.choose("bf16", device) == torch.bfloat16
    assert precision.choose("float32", device) == torch.float32


@pytest.mark.parametrize(
    ("float32", "bf16", "expected"),
    [(4.0, 1.0, torch.bfloat16), (1.0, 4.0, torch.float32), (1.0, 1.0, torch.float32), (1.4, 1.0, torch.float32)],
)
def test_auto_takes_bf16_where_it_is_clearly_faster(monkeypatch, float32, bf16, expected) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr(precision, "_seconds", {torch.float32: float32, torch.bfloat16: bf16}.__getitem__)

    assert precision.choose("auto", CPU) == expected


@pytest.mark.parametrize(
    ("level", "flags", "expected"),
    [
        ("AVX2", {"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ("AVX512", {"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ("AVX512", {"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ("AVX512", {"avx512_bf16": True, "amx_bf16": True}, torch.bfloat16),
    ],
)
def test_on_x86_the_instructions_decide_and_nothing_is_timed(monkeypatch, level, flags, expected) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: level)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: flags, raising=False)
    monkeypatch.setattr(precision, "_seconds", lambda dtype: pytest.fail(f"{dtype} was timed"))

    assert precision.choose("auto", CPU) == expected


def test_a_pytorch_that_knows_no_instructions_has_avx512_timed(monkeypatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    monkeypatch.delattr("torch.cpu.get_capabilities", raising=False)
    monkeypatch.setattr(precision, "_seconds", {torch.float32: 4.0, torch.bfloat16: 1.0}.__getitem__)

    assert precision.choose("auto", CPU) == torch.bfloat16


def test_the_measurement_is_a_time_and_taken_once() -> None:
    first = precision._seconds(torch.float32)
    assert first > 0
    assert precision._seconds(torch.float32) == first
    assert precision.rate(torch.float32) > 1e6


@pytest.mark.parametrize("able", [True, False])
def test_auto_asks_a_graphics_card_what_it_can(monkeypatch, able) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able and not including_emulation)

    assert precision.choose("auto", torch.device("cuda")) == (torch.bfloat16 if able else torch.float32)

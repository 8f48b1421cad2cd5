"""Metrics of several workers."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from hiersrec.http.metrics import _Workers


def test_the_file_that_a_worker_is_just_making_is_left_out(tmp_path) -> None:
    """Between its creation and its first bytes it can't be read, and another worker may be asked for all metrics."""
    written = MmapedDict(str(tmp_path / "counter_8.db"))
    written.write_value(mmap_key("asked", "asked_total", [], [], "Requests."), 3, 0)
    written.close()
    (tmp_path / "counter_7.db").touch()
    registry = CollectorRegistry()

    _Workers(registry, str(tmp_path))

    assert b"asked_total 3.0" in generate_latest(registry)

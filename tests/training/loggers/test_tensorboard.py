from hiersrec.training.loggers import tensorboard
from tests.training.loggers.test_csv import start


def test_settings_are_shown_once(tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    for counts in ({}, {"step": 7, "epoch": 1}):
        logger = tensorboard.build(str(tmp_path / "logs"), tmp_path / "run")
        logger.on_start(start(tmp_path / "run", **counts))
        logger.close()

    events = EventAccumulator(str(tmp_path / "logs" / "run")).Reload()
    [text] = events.Tensors("settings/text_summary")
    assert make_ndarray(text.tensor_proto).tolist() == [b"| setting | value |\n|---|---|\n| training.seed | 0 |\n"]

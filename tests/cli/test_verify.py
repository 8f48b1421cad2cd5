import json

from tests.store.test_folder import make


def test_whole_and_damaged(hiersrec, tmp_path) -> None:
    out = make(tmp_path / "out")
    assert "all as they were written" in " ".join(hiersrec("verify", out).out.split())
    assert json.loads(hiersrec("verify", out, "--json").out)["files"]["part/a.txt"] == 5

    (out / "part" / "a.txt").write_text("jello")
    result = hiersrec("verify", out)

    assert (result.code, result.out) == (2, "")
    assert "a.txt does not match its checksum" in result.err

import json
import shlex


def test_check_shows_the_facts_and_a_command_that_works(hiersrec, shop, tmp_path) -> None:
    result = hiersrec("check", shop / "events.csv", "--items", shop / "items.csv")

    assert result.code == 0
    assert "categories, level 2" in result.out
    line = result.out.rpartition("Next: hiersrec ")[2]
    words = shlex.split(line)
    assert hiersrec(*words[:-1], tmp_path / "data").code == 0


def test_json_is_the_whole_document(hiersrec, shop) -> None:
    result = hiersrec("check", shop / "events.csv", "--json", "--gap", "60")

    document = json.loads(result.out)
    assert document["items"] is None
    assert document["prepare"].startswith(f"hiersrec prepare {shop / 'events.csv'} --gap 60 --split ")


def test_a_mistake_is_one_line(hiersrec, shop) -> None:
    result = hiersrec("check", shop / "events.csv", "--item-id", "sku")

    assert result.code == 2
    assert "has no column 'sku', named by --item-id" in result.err

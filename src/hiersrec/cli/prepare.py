"""`hiersrec prepare EVENTS --items ITEMS --out DIR`: own tables, or a public dataset's files -> a dataset folder.

Flags left out keep the dataset's own settings where --dataset names one, and the defaults of prepare/settings.py
elsewhere. Error messages there speak of these flags, so both keep the same names.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiersrec import registry
from hiersrec.cli import printing
from hiersrec.cli.describe import show_dataset
from hiersrec.cli.lists import listed
from hiersrec.errors import BadInput

if TYPE_CHECKING:
    from hiersrec.prepare.settings import PrepareSettings
    from hiersrec.prepare.source import Source

Column = Annotated[str | None, typer.Option(help="Column of that field.", metavar="COLUMN")]


def command(  # more than ten parameters: they are the flags
    out: Annotated[Path, typer.Option(help="The dataset folder to make.")],
    events: Annotated[
        Path | None, typer.Argument(help="Events: CSV, TSV or Parquet, a file or a folder of parts.", metavar="EVENTS")
    ] = None,
    items: Annotated[Path | None, typer.Option(help="Items, with their categories; same kinds of files.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset; the folder's name if left out.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A public dataset (`hiersrec list datasets`); EVENTS is the folder of its files.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Events of the test sessions, if the data is split already.")
    ] = None,
    session_id: Column = None,
    item_id: Column = None,
    timestamp: Column = None,
    position: Column = None,
    user_id: Column = None,
    event_type: Column = None,
    category_path: Annotated[
        str | None, typer.Option(help="Items' column with the whole category path.", metavar="COLUMN")
    ] = None,
    category_separator: Annotated[str | None, typer.Option(help="Between the parts of a path [default: /].")] = None,
    category_columns: Annotated[
        str | None, typer.Option(help="Items' columns, one a level, coarse to fine.", metavar="A,B,...")
    ] = None,
    gap: Annotated[
        float | None, typer.Option(help="Pause of a user that ends a session, in seconds [default: 1800].")
    ] = None,
    event_types: Annotated[str | None, typer.Option(help="Keep only these types of events.", metavar="A,B,...")] = None,
    drop_repeats: Annotated[
        bool | None, typer.Option("--drop-repeats", help="Drop an event on the same item as the one before.")
    ] = None,
    max_session_length: Annotated[int | None, typer.Option(help="Keep only the newest events of a session.")] = None,
    min_item_count: Annotated[int | None, typer.Option(help="Least events of an item [default: 1].")] = None,
    min_user_count: Annotated[int | None, typer.Option(help="Least events of a user [default: 1].")] = None,
    min_session_length: Annotated[int | None, typer.Option(help="Least events of a session [default: 2].")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Test sessions: last-days:7, date:2016-05-25, fraction:0.1 or random:0.2.", metavar="RULE"),
    ] = None,
    split_key: Annotated[
        str | None, typer.Option(help="Random split: keep sessions of one user_id, or first_last_item, together.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random choices [default: 0].")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Validation sessions: random or latest [default: random].")
    ] = None,
    validation_share: Annotated[float | None, typer.Option(help="Share of the training sessions [default: 0.1].")] = (
        None
    ),
    hold_out_items: Annotated[
        float | None, typer.Option(help="Share of the items to hide from training, as if they were new [default: 0].")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Items' columns of words.", metavar="A,B,...")] = None,
    categorical: Annotated[str | None, typer.Option(help="Items' columns of a few values.", metavar="A,B,...")] = None,
    multi: Annotated[
        str | None, typer.Option(help="Items' columns of several values: lists, or text.", metavar="A,B,...")
    ] = None,
    multi_separator: Annotated[str | None, typer.Option(help="Between several values in a text [default: |].")] = None,
    numeric: Annotated[str | None, typer.Option(help="Items' columns of numbers.", metavar="A,B,...")] = None,
    vectors: Annotated[
        str | None,
        typer.Option(help="Ready vectors: items' columns, or files with a row per item.", metavar="A,B=FILE.npy,..."),
    ] = None,
    text_vectors: Annotated[
        str | None, typer.Option(help="Items' columns of words, to become vectors.", metavar="A,B,...")
    ] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(help="What makes them vectors: tfidf, or the folder of a sentence-transformers model."),
    ] = None,
    ignore: Annotated[str | None, typer.Option(help="Items' columns to leave out.", metavar="A,B,...")] = None,
    implicit_categories: Annotated[
        str | None,
        typer.Option(
            help="Categories from the training sessions alone: clusters of items, so many, or auto.",
            metavar="K|K1,K2,...|auto",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="What does the work: duckdb, local-spark or spark://HOST:PORT, which needs --out on storage that all "
            "its machines share. The folder is the same."
        ),
    ] = "duckdb",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older dataset folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print dataset.json.")] = False,
) -> None:
    """Make a dataset folder from events and items."""
    from hiersrec.prepare.pipeline import prepare
    from hiersrec.store.dataset import Dataset

    flags: dict[str, dict[str, Any]] = {
        "columns": {
            "session_id": session_id,
            "item_id": item_id,
            "timestamp": timestamp,
            "position": position,
            "user_id": user_id,
            "event_type": event_type,
            "category_path": category_path,
            "category_separator": category_separator,
            "category_columns": _names(category_columns),
        },
        "sessions": {
            "gap_seconds": gap,
            "event_types": _names(event_types),
            "drop_repeats": drop_repeats,
            "max_length": max_session_length,
        },
        "filters": {
            "min_item_count": min_item_count,
            "min_user_count": min_user_count,
            "min_session_length": min_session_length,
        },
        "split": {
            **_rule(split, split_key, test is not None),
            "seed": seed,
            "valid": validation,
            "valid_share": validation_share,
            "hold_out_items": hold_out_items,
        },
        "metadata": {
            "text": _names(text),
            "categorical": _names(categorical),
            "multi": _names(multi),
            "multi_separator": multi_separator,
            "numeric": _names(numeric),
            "vectors": _names(vectors),
            "text_vectors": _names(text_vectors),
            "text_encoder": text_encoder,
            "ignore": _names(ignore),
        },
        "implicit": _clusters(implicit_categories),
    }
    if dataset is not None:
        source, settings = _public(dataset, events, items, test)
    else:
        source, settings = _own(out.resolve().name, events, items, test)
    if name is not None:
        source = replace(source, name=name)
    prepare(source, out, _changed(settings, flags), engine=engine, overwrite=overwrite, say=printing.say)
    show_dataset(Dataset.open(out).document, json)


def _public(
    dataset: str, events: Path | None, items: Path | None, test: Path | None
) -> "tuple[Source, PrepareSettings]":
    module = registry.load("datasets", dataset)
    if items is not None or test is not None:
        flag = "--test" if items is None else "--items"
        raise BadInput(f"--dataset {dataset} finds its own tables in the folder EVENTS. Leave out {flag}.")
    return module.source(events), module.SETTINGS


def _own(name: str, events: Path | None, items: Path | None, test: Path | None) -> "tuple[Source, PrepareSettings]":
    from hiersrec.prepare.settings import PrepareSettings
    from hiersrec.prepare.source import Source

    if events is None:
        raise BadInput("No events are given. Name the file or folder EVENTS, or a public dataset with --dataset.")
    return Source(name, events, items, test), PrepareSettings()


def _changed(settings: "PrepareSettings", flags: dict[str, dict[str, Any]]) -> "PrepareSettings":
    """The settings with every flag that was given; flags left out are None."""
    given = {group: {key: one for key, one in flags[group].items() if one is not None} for group in flags}
    given["metadata"] |= _freed(settings, given["metadata"])
    return replace(settings, **{group: replace(getattr(settings, group), **given[group]) for group in given})


def _freed(settings: "PrepareSettings", given: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The dataset's own lists of columns without those that a flag names, which is then the kind they have."""
    named = {name.split("=")[0] for names in given.values() if isinstance(names, tuple) for name in names}
    lists = {key: one for key, one in vars(settings.metadata).items() if isinstance(one, tuple) and key not in given}
    return {key: tuple(name for name in names if name not in named) for key, names in lists.items()}


def _rule(split: str | None, key: str | None, has_test: bool) -> dict[str, Any]:
    """The split that a flag such as "last-days:7" stands for."""
    if split is None:
        return {"method": "given" if has_test else None, "key": key}
    method, _, text = split.partition(":")
    method = method.strip().replace("-", "_")
    try:
        value: float | str = text.strip() if method == "date" else float(text)
    except ValueError:
        raise BadInput(
            f"--split must look like last-days:7, date:2016-05-25, fraction:0.1 or random:0.2, got '{split}'."
        ) from None
    return {"method": method, "value": value, "key": key}


def _clusters(text: str | None) -> dict[str, Any]:
    """The setting that a flag such as "30,995" or "auto" stands for."""
    if text is None:
        return {}
    if text.strip() == "auto":
        return {"auto": True}
    try:
        return {"clusters": tuple(int(one) for one in text.split(","))}
    except ValueError:
        raise BadInput(
            "--implicit-categories must be a number of clusters such as 995, several from coarse to fine such as "
            f"30,995, or auto, got '{text}'."
        ) from None


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else listed(text)

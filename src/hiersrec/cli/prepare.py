"""`hiersrec prepare EVENTS --items ITEMS --out DIR`: own tables, or a public dataset's files -> a dataset folder.

Flags that are left out keep the settings of the public --dataset, or else the defaults of
preparation/settings.py. Error messages there name these flags, so both keep the same names.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiersrec import registry
from hiersrec.cli import printing, split_list
from hiersrec.cli.describe import statistics_table
from hiersrec.errors import BadInput

if TYPE_CHECKING:
    from hiersrec.preparation.settings import PrepareSettings
    from hiersrec.preparation.source import Source

Column = Annotated[str | None, typer.Option(help="Column with this field.", metavar="COLUMN")]


def _list(text: str) -> Any:
    return typer.Option(help=text, metavar="A,B,...")


def command(  # more than ten parameters: they are the flags
    out: Annotated[Path, typer.Option(help="The dataset folder to make.")],
    events: Annotated[
        Path | None, typer.Argument(help="Events: CSV, TSV or Parquet, a file or a folder of parts.", metavar="EVENTS")
    ] = None,
    items: Annotated[Path | None, typer.Option(help="Items, with their categories; same file types.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset; the folder's name if left out.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A public dataset (`hiersrec list datasets`); EVENTS is the folder of its files.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Events of the test sessions, if already split.")] = None,
    session_id: Column = None,
    item_id: Column = None,
    timestamp: Column = None,
    position: Column = None,
    user_id: Column = None,
    event_type: Column = None,
    category_path: Column = None,
    category_separator: Annotated[str | None, typer.Option(help="Between the parts of a path [default: /].")] = None,
    category_columns: Annotated[str | None, _list("Items' columns, one per level, coarse to fine.")] = None,
    gap: Annotated[
        float | None, typer.Option(help="Seconds without events that end a session [default: 1800].")
    ] = None,
    event_types: Annotated[str | None, _list("Keep only events of these types.")] = None,
    drop_repeats: Annotated[
        bool | None, typer.Option("--drop-repeats", help="Drop an event on the same item as the one before.")
    ] = None,
    max_session_length: Annotated[int | None, typer.Option(help="Most events of a session; the newest stay.")] = None,
    min_item_count: Annotated[int | None, typer.Option(help="Minimum events of an item [default: 1].")] = None,
    min_user_count: Annotated[int | None, typer.Option(help="Minimum events of a user [default: 1].")] = None,
    min_session_length: Annotated[int | None, typer.Option(help="Minimum events of a session [default: 2].")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Test sessions: last-days:7, date:2016-05-25, fraction:0.1 or random:0.2.", metavar="RULE"),
    ] = None,
    split_key: Annotated[
        str | None, typer.Option(help="Random split: keep sessions of one user_id, or first_last_item, together.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random choices [default: 0].")] = None,
    validation: Annotated[str | None, typer.Option(help="Validation sessions: random (default) or latest.")] = None,
    validation_share: Annotated[float | None, typer.Option(help="Share of the training sessions [default: 0.1].")] = (
        None
    ),
    hold_out_items: Annotated[
        float | None, typer.Option(help="Share of the items to hide from training [default: 0].")
    ] = None,
    text: Annotated[str | None, _list("Items' text columns.")] = None,
    categorical: Annotated[str | None, _list("Items' columns of few values.")] = None,
    multi: Annotated[str | None, _list("Items' columns of several values: lists, or separated text.")] = None,
    multi_separator: Annotated[str | None, typer.Option(help="Between the values of such a text [default: |].")] = None,
    numeric: Annotated[str | None, _list("Items' numeric columns.")] = None,
    vectors: Annotated[
        str | None,
        typer.Option(help="Given vectors: columns, or files with one row per item.", metavar="A,B=FILE.npy,..."),
    ] = None,
    text_vectors: Annotated[str | None, _list("Items' text columns to encode as vectors.")] = None,
    text_encoder: Annotated[str | None, typer.Option(help="Encoder: tfidf, or a sentence-transformers folder.")] = None,
    ignore: Annotated[str | None, _list("Items' columns to ignore.")] = None,
    implicit_categories: Annotated[
        str | None,
        typer.Option(
            help="Derive categories from the training sessions: item clusters, how many per level, or auto.",
            metavar="K|K1,K2,...|auto",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="Query engine: duckdb, local-spark, or spark://HOST:PORT, which needs --out on storage that all its "
            "machines share. The result is the same."
        ),
    ] = "duckdb",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older dataset folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print dataset.json.")] = False,
) -> None:
    """Make a dataset folder from events and items."""
    from hiersrec.preparation.pipeline import prepare
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
    document = Dataset.open(out).document
    printing.result(document, json, statistics_table(document))


def _public(
    dataset: str, events: Path | None, items: Path | None, test: Path | None
) -> "tuple[Source, PrepareSettings]":
    module = registry.load("datasets", dataset)
    if items is not None or test is not None:
        flag = "--test" if items is None else "--items"
        raise BadInput(f"--dataset {dataset} takes all its tables from the folder EVENTS. Leave out {flag}.")
    return module.source(events), module.SETTINGS


def _own(name: str, events: Path | None, items: Path | None, test: Path | None) -> "tuple[Source, PrepareSettings]":
    from hiersrec.preparation.settings import PrepareSettings
    from hiersrec.preparation.source import Source

    if events is None:
        raise BadInput("No events are given. Name the file or folder EVENTS, or a public dataset with --dataset.")
    return Source(name, events, items, test), PrepareSettings()


def _changed(settings: "PrepareSettings", flags: dict[str, dict[str, Any]]) -> "PrepareSettings":
    """The settings with all flags applied that are not None."""
    changes = {group: {key: value for key, value in flags[group].items() if value is not None} for group in flags}
    metadata = changes["metadata"]
    # A column that a flag names has the kind of that flag, so it goes from the dataset's own lists.
    named = {name.split("=")[0] for names in metadata.values() if isinstance(names, tuple) for name in names}
    for key, names in vars(settings.metadata).items():
        if isinstance(names, tuple) and key not in metadata:
            metadata[key] = tuple(name for name in names if name not in named)
    return replace(settings, **{group: replace(getattr(settings, group), **changes[group]) for group in changes})


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
        return {"clusters": tuple(int(count) for count in text.split(","))}
    except ValueError:
        raise BadInput(
            "--implicit-categories must be a number of clusters such as 995, several from coarse to fine such as "
            f"30,995, or auto, got '{text}'."
        ) from None


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else split_list(text)

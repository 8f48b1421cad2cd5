"""`hiersrec prepare EVENTS --items ITEMS --out DIR`: own tables, or a public dataset's files -> a dataset folder.

Flags that are left out keep the settings of the public --dataset, or else the defaults of preparation/settings.py.
Error messages there name these flags, so both keep the same names.
"""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import options, printing
from hiersrec.cli.options import optional_list


def command(  # more than ten parameters: they are the flags
    out: Annotated[Path, typer.Option(help="The dataset folder to make.")],
    events: Annotated[
        Path | None,
        typer.Argument(help="Events: CSV, TSV, JSON lines or Parquet; a file or folder of parts.", metavar="EVENTS"),
    ] = None,
    items: options.Items = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset; the folder's name if left out.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A public dataset (`hiersrec list datasets`); EVENTS is the folder of its files.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Events of the test sessions, if already split.")] = None,
    session_id: options.Column = None,
    item_id: options.Column = None,
    items_item_id: options.ItemsItemId = None,
    timestamp: options.Column = None,
    time_format: options.TimeFormat = None,
    position: options.Column = None,
    user_id: options.Column = None,
    event_type: options.Column = None,
    category_path: options.Column = None,
    category_separator: options.CategorySeparator = None,
    category_columns: options.CategoryColumns = None,
    separator: options.Separator = None,
    gap: options.Gap = None,
    event_types: Annotated[str | None, options.names("Keep only events of these types.")] = None,
    drop_repeats: Annotated[
        bool | None, typer.Option("--drop-repeats", help="Drop an event on the same item as the one before.")
    ] = None,
    max_session_length: Annotated[int | None, typer.Option(help="Most events of a session; the newest stay.")] = None,
    min_item_count: Annotated[int | None, typer.Option(help="Minimum events of an item [default: 1].")] = None,
    min_user_count: Annotated[int | None, typer.Option(help="Minimum events of a user [default: 1].")] = None,
    min_session_length: Annotated[int | None, typer.Option(help="Minimum events of a session [default: 2].")] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Test sessions: last-days:7, date:2016-05-25, fraction:0.1, random:0.2, or leave-last:1 (the last "
            "item of each session tests, the one before validates).",
            metavar="RULE",
        ),
    ] = None,
    split_key: Annotated[
        str | None, typer.Option(help="Random split: keep sessions of one user_id, or first_last_item, together.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random choices [default: 0].")] = None,
    validation: Annotated[
        str | None,
        typer.Option(help="Validation sessions: latest or random [default: latest, if the test sessions are later]."),
    ] = None,
    validation_share: Annotated[float | None, typer.Option(help="Share of the training sessions [default: 0.1].")] = (
        None
    ),
    hold_out_items: Annotated[
        float | None, typer.Option(help="Share of the items to hide from training [default: 0].")
    ] = None,
    text: Annotated[str | None, options.names("Items' text columns.")] = None,
    categorical: Annotated[str | None, options.names("Items' columns of few values.")] = None,
    multi: Annotated[str | None, options.names("Items' columns of several values: lists, or separated text.")] = None,
    multi_separator: Annotated[str | None, typer.Option(help="Between the values of such a text [default: |].")] = None,
    numeric: Annotated[str | None, options.names("Items' numeric columns.")] = None,
    vectors: Annotated[
        str | None,
        typer.Option(help="Given vectors: columns, or files with one row per item.", metavar="A,B=FILE.npy,..."),
    ] = None,
    text_vectors: Annotated[str | None, options.names("Items' text columns to encode as vectors.")] = None,
    text_encoder: Annotated[str | None, typer.Option(help="Encoder: tfidf, or a sentence-transformers folder.")] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", help="Column of a kind of another distribution; repeat for more.", metavar="COLUMN=KIND"
        ),
    ] = None,
    ignore: Annotated[str | None, options.names("Items' columns to ignore.")] = None,
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
    prepared = hiersrec.prepare(
        events,
        items,
        out=out,
        name=name,
        dataset=dataset,
        test=test,
        session_id=session_id,
        item_id=item_id,
        items_item_id=items_item_id,
        timestamp=timestamp,
        time_format=time_format,
        position=position,
        user_id=user_id,
        event_type=event_type,
        category_path=category_path,
        category_separator=category_separator,
        category_columns=optional_list(category_columns),
        separator=separator,
        gap=gap,
        event_types=optional_list(event_types),
        drop_repeats=drop_repeats,
        max_session_length=max_session_length,
        min_item_count=min_item_count,
        min_user_count=min_user_count,
        min_session_length=min_session_length,
        split=split,
        split_key=split_key,
        seed=seed,
        validation=validation,
        validation_share=validation_share,
        hold_out_items=hold_out_items,
        text=optional_list(text),
        categorical=optional_list(categorical),
        multi=optional_list(multi),
        multi_separator=multi_separator,
        numeric=optional_list(numeric),
        vectors=optional_list(vectors),
        text_vectors=optional_list(text_vectors),
        text_encoder=text_encoder,
        kinds=kinds,
        ignore=optional_list(ignore),
        implicit_categories=implicit_categories,
        engine=engine,
        overwrite=overwrite,
    )
    from hiersrec.api.describe import statistics_table

    printing.result(prepared.document, json, statistics_table(prepared.document))

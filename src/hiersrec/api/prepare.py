"""`prepare(events, items, ...)`: own tables, or a public dataset's files -> a dataset folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec import registry
from hiersrec.api.folders import target
from hiersrec.api.prepare_arguments import Names, clusters_of, columns_of, names_of, split_rule
from hiersrec.api.reporting import reporting
from hiersrec.arguments import FLAG, NUMBER, TEXT, TEXTS, WHOLE
from hiersrec.errors import BadInput, named_extras
from hiersrec.types import Frame

if TYPE_CHECKING:
    from hiersrec.preparation.settings import PrepareSettings
    from hiersrec.preparation.source import Source
    from hiersrec.store.dataset import Dataset

Table = str | Path | Frame
"""A file or folder, or a frame: pandas, polars, PyArrow, DuckDB, Ibis, Spark."""


def prepare(
    events: Table | None = None,
    items: Table | None = None,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    dataset: str | None = None,
    test: Table | None = None,
    session_id: str | None = None,
    item_id: str | None = None,
    items_item_id: str | None = None,
    timestamp: str | None = None,
    time_format: str | None = None,
    position: str | None = None,
    user_id: str | None = None,
    event_type: str | None = None,
    category_path: str | None = None,
    category_separator: str | None = None,
    category_columns: Names | None = None,
    separator: str | None = None,
    gap: float | None = None,
    event_types: Names | None = None,
    drop_repeats: bool | None = None,
    max_session_length: int | None = None,
    min_item_count: int | None = None,
    min_user_count: int | None = None,
    min_session_length: int | None = None,
    split: str | None = None,
    split_key: str | None = None,
    seed: int | None = None,
    validation: str | None = None,
    validation_share: float | None = None,
    hold_out_items: float | None = None,
    text: Names | None = None,
    categorical: Names | None = None,
    multi: Names | None = None,
    multi_separator: str | None = None,
    numeric: Names | None = None,
    vectors: Names | None = None,
    text_vectors: Names | None = None,
    text_encoder: str | None = None,
    kinds: Names | None = None,
    ignore: Names | None = None,
    implicit_categories: str | int | Sequence[int] | None = None,
    engine: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> "Dataset":
    """Make a dataset folder from events and items.

    What is left out keeps the setting of the public `dataset`, or else its default. Messages name the flags of the
    command line, which are called as the parameters are: `--min-item-count` is min_item_count.

    Args:
        events: One row per event: a file of CSV, TSV, JSON lines (all also .gz or .zst) or Parquet, a folder of parts,
            a pipe, or a frame (pandas, polars, PyArrow, DuckDB, Ibis, Spark). For a public dataset the folder of its
            files.
        items: One row per item, with its categories and metadata.
        out: The folder to make. If left out, a temporary one that is removed with the returned object.
        name: Name of the dataset; by default the name of the folder.
        dataset: A public dataset, see `members("datasets")`.
        test: Events of the test sessions, if they are already split.
        session_id: Column of the events with the session. Without one, `gap` ends a session of a user.
        item_id: Column of the events and of the items with the item.
        items_item_id: Column of the items with the item, where the two tables name it differently.
        timestamp: Column with the time: ISO-8601, or numbers of s, ms, us or ns since 1970.
        time_format: How times are written otherwise, as for Python's strptime: "%d.%m.%Y %H:%M".
        position: Column with a number that orders the events of a session.
        user_id: Column with the user.
        event_type: Column with the type of the event: view, order, ...
        category_path: Column of the items with a whole path, coarse to fine.
        category_separator: Between the parts of such a path ("/").
        category_columns: Columns of the items, one per level, coarse to fine.
        separator: Between the values of text files: ";", or "tab"; by default found from the header line.
        gap: Seconds without events that end a session, where there are no session ids (1800).
        event_types: Keep only events of these types.
        drop_repeats: Drop an event on the same item as the one before.
        max_session_length: Most events of a session; the newest stay.
        min_item_count: Least events of an item (1).
        min_user_count: Least events of a user (1).
        min_session_length: Least events of a session (2).
        split: Test sessions: "last-days:7", "date:2016-05-25", "fraction:0.1", "random:0.2", or "leave-last:1": the
            last item of each session tests, the one before validates.
        split_key: Random split: keep sessions of one "user_id", or "first_last_item", together.
        seed: Seed of the random choices (0).
        validation: Validation sessions: the "latest" of the training sessions, or "random" ones. Default: the latest,
            if the test sessions are later than all others.
        validation_share: Their share of the training sessions (0.1).
        hold_out_items: Share of the items to hide from training (0).
        text: Columns of the items with text. The kind of a column that no argument names is inferred.
        categorical: Columns of few values.
        multi: Columns of several values: lists, or separated text.
        multi_separator: Between the values of such a text ("|").
        numeric: Columns of numbers.
        vectors: Columns of vectors; "image=vectors.npy" takes a file with a row per item.
        text_vectors: Columns of text to encode as vectors.
        text_encoder: Their encoder: "tfidf", or the folder of a sentence-transformers model.
        kinds: Columns of kinds of other distributions, "COLUMN=KIND"; see `members("metadata")`.
        ignore: Columns to leave out.
        implicit_categories: Derive categories from the training sessions: the number of clusters, of each level, or
            "auto".
        engine: "duckdb" (default), "local-spark" or "spark://HOST:PORT"; for a DataFrame of Spark its own.
        overwrite: Replace an older dataset folder.
        progress: Tell each step on standard error.

    Raises:
        BadInput: The tables or the arguments break a rule; the message names file, row and value.
        BadFolder: `out` exists already.
        UnknownName: There is no such dataset or engine.
        MissingExtra: A package that this needs is not installed.

    """
    with named_extras():
        from hiersrec.preparation.engines import DUCKDB, engine_of
        from hiersrec.preparation.pipeline import prepare as _prepare
        from hiersrec.preparation.tables import as_files, is_spark
        from hiersrec.store.dataset import Dataset

    TEXT.check_given(
        name=name,
        dataset=dataset,
        split=split,
        split_key=split_key,
        validation=validation,
        multi_separator=multi_separator,
        text_encoder=text_encoder,
        engine=engine,
    )
    WHOLE.check_given(
        max_session_length=max_session_length,
        min_item_count=min_item_count,
        min_user_count=min_user_count,
        min_session_length=min_session_length,
        seed=seed,
    )
    NUMBER.check_given(gap=gap, validation_share=validation_share, hold_out_items=hold_out_items)
    TEXTS.check_given(
        event_types=event_types,
        text=text,
        categorical=categorical,
        multi=multi,
        numeric=numeric,
        vectors=vectors,
        text_vectors=text_vectors,
        kinds=kinds,
        ignore=ignore,
    )
    FLAG.check_given(drop_repeats=drop_repeats)
    FLAG.check(overwrite=overwrite, progress=progress)
    groups: dict[str, dict[str, Any]] = {
        "columns": columns_of(
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
            category_columns=category_columns,
            separator=separator,
        ),
        "sessions": {
            "gap_seconds": gap,
            "event_types": names_of(event_types),
            "drop_repeats": drop_repeats,
            "max_length": max_session_length,
        },
        "filters": {
            "min_item_count": min_item_count,
            "min_user_count": min_user_count,
            "min_session_length": min_session_length,
        },
        "split": {
            **split_rule(split, split_key, test is not None),
            "seed": seed,
            "valid": validation,
            "valid_share": validation_share,
            "hold_out_items": hold_out_items,
        },
        "metadata": {
            "text": names_of(text),
            "categorical": names_of(categorical),
            "multi": names_of(multi),
            "multi_separator": multi_separator,
            "numeric": names_of(numeric),
            "vectors": names_of(vectors),
            "text_vectors": names_of(text_vectors),
            "text_encoder": text_encoder,
            "kinds": names_of(kinds),
            "ignore": names_of(ignore),
        },
        "implicit": clusters_of(implicit_categories),
    }
    with_spark = any(map(is_spark, (events, items, test)))
    with target(out, "data") as place:
        folder = place.path
        if with_spark:
            folder.parent.mkdir(parents=True, exist_ok=True)
            engine = engine or engine_of(next(filter(is_spark, (events, items, test))))
        given = {"events": events, "items": items, "test": test}
        tables = {key: table for key, table in given.items() if table is not None}
        with as_files(tables, folder.parent if with_spark else None) as files, reporting(progress) as reporter:
            paths = files.get("events"), files.get("items"), files.get("test")
            if dataset is not None:
                source, settings = _public(dataset, *paths)
            else:
                source, settings = _own(folder.resolve().name, *paths)
            if name is not None:
                source = replace(source, name=name)
            changed = _changed(settings, groups)
            _prepare(source, folder, changed, engine=engine or DUCKDB, overwrite=overwrite, say=reporter.say)
        prepared = Dataset.open(folder)
        place.held_by(prepared)
    return prepared


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


def _changed(settings: "PrepareSettings", groups: dict[str, dict[str, Any]]) -> "PrepareSettings":
    """The settings with all arguments applied that are not None."""
    changes = {group: {key: value for key, value in groups[group].items() if value is not None} for group in groups}
    if changes["split"].get("method", "random") != "random":
        changes["split"].setdefault("key", None)  # of the dataset's own random split
    metadata = changes["metadata"]
    # A column that an argument names has the kind of that argument, so it goes from the dataset's own lists.
    named = {name.split("=")[0] for names in metadata.values() if isinstance(names, tuple) for name in names}
    for key, names in vars(settings.metadata).items():
        if isinstance(names, tuple) and key not in metadata:
            metadata[key] = tuple(name for name in names if name not in named)
    return replace(settings, **{group: replace(getattr(settings, group), **changes[group]) for group in changes})

"""Events + items -> dataset folder, stage by stage: read, cut, filter, split, write, seal."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec import __version__, registry
from hiersrec.errors import BadInput
from hiersrec.preparation import arrays, catalog, event_types, filters, leave_last, reading, sessions, split, statistics
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.engines import DUCKDB, check, open_engine
from hiersrec.preparation.hold_out import hold_out
from hiersrec.preparation.implicit.find import find
from hiersrec.preparation.items import ItemsTable, read_items
from hiersrec.preparation.settings import PrepareSettings, flag_name
from hiersrec.preparation.source import Source, describe_files, parts
from hiersrec.preparation.values import FOLDER
from hiersrec.store.catalog import EVENT_TYPES
from hiersrec.store.folder import new_folder, seal
from hiersrec.store.sessions import Sessions
from hiersrec.store.statistics import held_out
from hiersrec.store.unseen import UNSEEN
from hiersrec.types import Say


def prepare(
    source: Source, out: Path, settings: PrepareSettings, *, engine: str = DUCKDB, overwrite: bool = False, say: Say
) -> dict[str, Any]:
    """Prepare a source into the dataset folder `out`; returns its dataset.json.

    `engine` is a name that `open_engine` takes; the folder is the same with any. `say` gets a line per stage. `out`
    appears only when it is complete. Raises BadInput and BadFolder, and what `open_engine` raises.
    """
    check(engine)
    for path in (source.events, source.items, source.test_events):
        if path is not None:
            parts(path)
    for file in (vectors := settings.metadata.vector_files.values()):
        if not file.is_file():
            raise BadInput(f"There is no file at {file}, named by --vectors. Check the path.")
    with new_folder(out, "dataset", overwrite) as folder:
        scratch = folder / "scratch"
        with open_engine(engine, scratch, say) as opened:
            sources = describe_files(source, vectors)
            tables = source.convert(source, opened.in_folder("converted")) if source.convert else source
            for line in tables.notes:
                say(f"prepare: {line}")
            _check_split(tables, settings)
            document = _stages(opened, tables, folder, settings, say)
        shutil.rmtree(scratch)
        document = {
            "name": source.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "hiersrec_version": __version__,
            "settings": settings.document(),
            "sources": sources,
            **document,
        }
        seal(folder, "dataset", document, [path for path in folder.rglob("*") if path.is_file()])
    say(f"prepare: wrote {out}")
    return document


def _check_split(source: Source, settings: PrepareSettings) -> None:
    method = settings.split.method
    if source.test_events is None and method in (None, "given"):
        raise BadInput("There are no test sessions. Give --split (such as last-days:7) or --test FILE.")
    if source.test_events is not None and method not in (None, "given"):
        raise BadInput(
            f"--test gives the test sessions, so --split {flag_name(method)} has no effect. Give one of the two."
        )


def _stages(engine: Engine, source: Source, folder: Path, settings: PrepareSettings, say: Say) -> dict[str, Any]:
    say(f"prepare: read events {source.events.name}")
    events = reading.read_events(engine, source, settings, say)
    record = [filters.count_events(engine, "read", 0, events.table)]
    items = None
    if source.items is not None:
        say(f"prepare: read items {source.items.name}")
        items = read_items(source.items, settings, say)
        events, items = _same_ids(events, items)
    table = events.table
    if kept := settings.sessions.event_types:
        table = sessions.of_types(engine, events, kept)
        record.append(filters.count_events(engine, f"event_types {', '.join(kept)}", 0, table))
    must_cut = "session_id" not in events.columns
    if must_cut:
        table = engine.keep("events_cut", sessions.cut(table, settings.sessions.gap_seconds))
    numbered, session_ids = sessions.number_sessions(engine, table)
    if must_cut:
        gap = f"cut at gaps of {settings.sessions.gap_seconds:g} s"
        record.append(filters.count_events(engine, gap, 0, numbered))
    left, after_filters = filters.apply(engine, numbered, settings, say)
    if settings.split.method == "leave_last":
        left, assigned, facts = leave_last.assign(engine, left, say)
    else:
        session_table = split.collect(engine, left, session_ids, settings.split.key)
        assigned, facts = split.assign(engine, session_table, settings.split)
    counts = ", ".join(f"{facts[part]['sessions']:,} {part}" for part in split.PARTS)
    chosen = f"; validation: {facts['validation']}" if "validation" in facts else ""
    say(f"prepare: split {flag_name(facts['rule'])}: {counts} sessions{chosen}")
    if settings.split.hold_out_items:
        left, assigned, facts = hold_out(engine, left, assigned, settings.split, facts)
        say(f"prepare: hold out items: {held_out(facts)}")
    columns = ["item_id", "part", "number", *sessions.order_columns(left)]
    columns += ["event_type"] if "event_type" in left.columns else []
    keys = [name for name in ("session", "part") if name in left.columns]
    with_part = engine.keep("events_split", left.join(assigned, keys).select(columns))
    vocabulary = arrays.vocabulary(engine, with_part)
    unseen = arrays.unseen(engine, with_part, vocabulary)
    if items is not None and not pc.any(pc.is_in(vocabulary["item_id"], value_set=items.ids.combine_chunks())).as_py():
        assert source.items is not None
        raise BadInput(
            f"No item of the events is in {source.items}: events have ids such as '{vocabulary['item_id'][0]}', "
            f"items such as '{items.ids[0]}'. Check --item-id, or give the items table of these events."
        )
    say("prepare: write sessions")
    numbering = pa.concat_tables([vocabulary.select(["item_id", "item"]), unseen])
    sizes = {part: facts[part]["events"] for part in split.PARTS}
    typed, types = event_types.encode_types(engine, with_part)
    unseen_events = arrays.write_parts(engine, folder, typed, session_ids.join(assigned, "session"), numbering, sizes)
    pq.write_table(unseen, folder / "test" / UNSEEN)
    implicit = None
    if settings.implicit.enabled:
        train = Sessions.open(folder / "train")
        valid = replace(Sessions.open(folder / "valid"), last_only=facts.get("targets") == "last")
        implicit = find(train, valid, vocabulary, items, settings.implicit, settings.split.seed, say)
    say(f"prepare: write {vocabulary.num_rows:,} items")
    paths = None if implicit is None else implicit.paths
    written = catalog.write_catalog(folder / "catalog", vocabulary, items, settings, say, paths)
    plugins = registry.record((FOLDER, column.feature.kind) for column in written.features)
    type_counts = {}
    if types is not None:
        pq.write_table(types, folder / "catalog" / EVENT_TYPES)
        type_counts = dict(zip(types["name"].to_pylist(), types["train_count"].to_pylist(), strict=True))
    if not written.categories:
        say(
            "prepare: there are no categories; name columns of the items with --category-columns, or find clusters "
            "with --implicit-categories auto"
        )
    if items is not None:
        say(f"prepare: {written.absent:,} items are not in the items table, {written.extra:,} of its rows are unused")
    return {
        "columns": {"events": events.columns, "items": {} if items is None else items.columns},
        "order": f"{'position' if 'position' in events.columns else 'timestamp'}, ties by row of the file",
        "filters": record + after_filters,
        "split": facts,
        "statistics": {
            **statistics.statistics(facts, len(vocabulary), written, len(unseen), unseen_events),
            "event_types": type_counts,
            "agreement": [] if implicit is None else implicit.agreement,
        },
        "implicit": None if implicit is None else implicit.facts,
        **({"plugins": plugins} if plugins else {}),
    }


def _same_ids(events: reading.Events, items: ItemsTable) -> tuple[reading.Events, ItemsTable]:
    """Both tables with item ids of one type: text unless both have integers."""
    has_numbers = pa.types.is_integer(items.ids.type)
    if has_numbers == events.table["item_id"].type().is_integer():
        return events, items
    if has_numbers:
        return events, replace(items, ids=items.ids.cast(pa.string()))
    return replace(events, table=events.table.mutate(item_id=events.table["item_id"].cast("string"))), items

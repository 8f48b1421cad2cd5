"""Settings that recipes no longer have: run folders made before spell them out and still open."""

from typing import Any

from hiersrec.errors import BadRecipe

FORMER_KEYS = {
    ("training", "split_items"): (
        False,
        'the default recipe could not use it. softmax = "sampled" of the item task trains 5 million items in 11 GB '
        "on one machine.",
    ),
    ("tasks", "negatives_from"): (
        "all",
        'no gain in accuracy was ever measured. softmax = "sampled" draws its negatives from all items.',
    ),
}
"""Table and key of a setting -> the value without effect, which is passed over; why the setting went, and what to use
instead."""
FORMER_VALUES = {
    ("tasks", "softmax", "coarse_to_fine"): 'it was slower than "sampled" on large catalogues, which it was for, '
    'and had no export. Use softmax = "sampled", or "full" below some 300 thousand items.',
    ("tasks", "weight", "uncertainty"): "it was neither the paper's nor better than a fixed number. Use a number, "
    '"trainable" or "random".',
}
"""Table, key and value -> why the value went, and what to use instead."""


def drop_former(recipe: dict[str, Any]) -> None:
    """Remove former settings without effect from the tables of a recipe; raises BadRecipe for one with an effect."""
    for (name, key), (ignored, reason) in FORMER_KEYS.items():
        for where, table in _tables(recipe, name):
            if key in table and (value := table.pop(key)) != ignored:
                raise BadRecipe(f"{where} {key} = {value!r} was removed from hiersrec: {reason}")
    for (name, key, value), reason in FORMER_VALUES.items():
        for where, table in _tables(recipe, name):
            if table.get(key) == value:
                raise BadRecipe(f"{where} {key} = {value!r} was removed from hiersrec: {reason}")


def _tables(recipe: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    """The tables of that name, as messages name them; none where the recipe has something else."""
    tables = recipe.get(name)
    if isinstance(tables, list):
        return [(f"[[{name}]] {table.get('name')}", table) for table in tables if isinstance(table, dict)]
    return [(f"[{name}]", tables)] if isinstance(tables, dict) else []

"""Accuracy metrics equal those of ir-measures, whose values are trec_eval's (tests/datasets has it on real data)."""

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

from hiersrec.baselines import cooccurrence
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate, prefixes_of, scored
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions
from hiersrec.types import Scorer
from tests.toy import toy

OF_TARGET = {"mrr": RR, "hits": Success, "ndcg": nDCG}
"""The next item is relevant, and nothing else."""
OF_FUTURE = {"recall": R, "any_hit": Success, "precision": P, "map": AP}
"""All distinct future items are relevant."""
KS = (1, 5, 10, 20)


def check_equal(scorer: Scorer, catalog: Catalog, sessions: Sessions) -> None:
    """The report's values are those of the lists, which are sorted here once more, item by item."""
    options = EvaluationOptions(k=KS, metrics=(*OF_TARGET, *OF_FUTURE))
    reported = evaluate(scorer, catalog, sessions, options).metrics
    prefixes = prefixes_of(sessions, options)
    items, offsets = np.asarray(sessions.items), np.asarray(sessions.offsets)
    run, of_target, of_future = {}, {}, {}
    for rows, scores in scored(scorer, catalog, prefixes, options):
        for row, line in zip(rows.tolist(), scores.items, strict=True):
            best = np.lexsort((np.arange(len(line)), -line))[: max(KS)]
            run[str(row)] = {
                str(item): -float(place) for place, item in enumerate(best.tolist()) if line[item] > -np.inf
            }
            position = prefixes.positions[row]
            end = offsets[np.searchsorted(offsets, position, side="right")]
            of_target[str(row)] = {str(items[position]): 1}
            of_future[str(row)] = {str(item): 1 for item in items[position:end]}
    for kinds, relevant in ((OF_TARGET, of_target), (OF_FUTURE, of_future)):
        measures = {f"{name}@{k}": measure @ k for name, measure in kinds.items() for k in KS}
        values = ir_measures.calc_aggregate(measures.values(), relevant, run)
        expected = {name: values[measure] for name, measure in measures.items()}
        assert {name: reported[name] for name in measures} == pytest.approx(expected, rel=1e-9)
        assert any(value > 0 for value in expected.values())


def test_on_the_toy_shop_with_items_that_training_never_saw() -> None:
    data, test = toy(train=60)
    lists = [test[session].tolist() for session in range(len(test))]
    lists[0][1:1], lists[1][-1] = [-1, -2], -3
    scorer = cooccurrence.fit(cooccurrence.Config(), data)

    check_equal(scorer, data.catalog, Sessions.from_lists(lists))

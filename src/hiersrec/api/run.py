"""`Run`: a trained model in its run folder, and all that can be done with it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec import arguments
from hiersrec.api.candidates import candidates_or_goal
from hiersrec.api.folders import folder_of, share, target
from hiersrec.api.report import Report
from hiersrec.api.reporting import reporting
from hiersrec.api.run_shown import history_table, sentence
from hiersrec.arguments import FLAG, TEXT, WHOLES
from hiersrec.errors import BadInput, named_extras, repr_of
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.serving.answers import Answers, SimilarItems
from hiersrec.serving.recommender import Recommender
from hiersrec.store.folder import open_seal
from hiersrec.types import ExternalId, Frame

if TYPE_CHECKING:
    from hiersrec.config import Recipe
    from hiersrec.store.dataset import Dataset


class Run:
    """A finished run folder: the trained model, its catalogue and its recipe. Made by `train`, opened by `Run.open`."""

    def __init__(self, folder: Path, document: dict[str, Any], dataset: "Dataset | None" = None) -> None:
        self.folder = folder
        self.document = document
        """Its run.json: recipe, versions, dataset, best epoch."""
        self._dataset = dataset  # whose folder may be temporary

    @classmethod
    def open(cls, folder: str | Path, *, dataset: "Dataset | None" = None) -> "Run":
        """Open a run folder; the model is loaded when it is first needed.

        dataset: the dataset that it is evaluated on; by default that in the folder it was trained on. Raises BadFolder.
        """
        where = arguments.path(folder=folder)
        return cls(where, open_seal(where, "run"), dataset)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy and a pickle hold: the folder, and not the model, which is loaded from it."""
        return {name: value for name, value in vars(self).items() if name != "recommender"}

    @property
    def recipe(self) -> "Recipe":
        """The recipe with every setting."""
        with named_extras():
            from hiersrec.build import RECIPE
            from hiersrec.recipe_file import read_recipe

        return read_recipe(self.folder / RECIPE)

    @property
    def history(self) -> list[dict[str, Any]]:
        """A record for each epoch: losses, validation metrics, seconds."""
        lines = (self.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @cached_property
    def recommender(self) -> Recommender:
        """The model, loaded, with its catalogue."""
        loaded = Recommender.load(self.folder)
        share(self, loaded)
        return loaded

    def evaluate(
        self,
        split: str = "test",
        *,
        data: "Dataset | str | Path | None" = None,
        k: int | Sequence[int] = 20,
        metrics: str | Sequence[str] = (),
        last_only: bool = False,
        exclude_seen: bool = False,
        candidates: str | Candidates = "all",
        top: int | None = None,
        mass: float | None = None,
        share: float | None = None,
        keep: float | None = None,
        promise: float | None = None,
        progress: bool = True,
    ) -> Report:
        """Rank the next item of every prefix of a split; metrics and ranks are also written into the run folder.

        Args:
            split: "test", "valid" or "train".
            data: A dataset, or its folder, in place of the one that the run was trained on.
            k: Length of the lists, or several.
            metrics: Names of metrics besides MRR, HITS, Recall and AnyHit, see `members("metrics")`.
            last_only: Only the last item of a session is a target.
            exclude_seen: Items of the session are not listed.
            candidates: Items to rank: "all", "category" (those of the likeliest categories), "random" (as many).
            top: Candidates: how many of the best categories of each level.
            mass: Candidates: the probability that the likeliest paths of the tree hold together, such as 0.99.
            share: Choose `top` on the validation sessions: at most this share of the catalogue, such as 0.04.
            keep: Choose `top` on the validation sessions: at least this part of the full MRR, such as 0.995.
            promise: Choose `mass` on the validation sessions: at least this share of the targets are candidates.
            progress: Show a bar on standard error.

        Raises:
            BadInput: An argument is wrong, or the dataset has other items than the run was trained on.
            BadFolder: The dataset's folder is gone; name it with `data`.

        """
        with named_extras():
            from hiersrec.evaluate_run import evaluate_run
            from hiersrec.evaluation.evaluate import EvaluationOptions
            from hiersrec.training.progress import progress_stage

        WHOLES.check(k=k)
        names = arguments.texts(metrics=metrics)
        FLAG.check(last_only=last_only, exclude_seen=exclude_seen, progress=progress)
        chosen, goal = candidates_or_goal(candidates, top, mass, share, keep, promise)
        options = EvaluationOptions(
            k=tuple(map(int, k)) if isinstance(k, Iterable) else int(k),
            metrics=tuple(dict.fromkeys([*EvaluationOptions().metrics, *names])),
            last_only=last_only,
            exclude_seen=exclude_seen,
            candidates=chosen,
        )
        folder = self._data(data)
        with (
            reporting(progress) as reporter,
            progress_stage(reporter, "choose candidates on validation") as choosing,
            progress_stage(reporter, "evaluate") as report,
        ):
            return Report(evaluate_run(self.folder, folder, split, options, goal, report, choosing))

    def _data(self, data: "Dataset | str | Path | None") -> Path | None:
        """The folder of the dataset to use: the one given, or the one that this run came with, if any."""
        dataset = self._dataset if data is None else data
        return None if dataset is None else folder_of(dataset, "data")

    def recommend(
        self,
        sessions: Sequence[Sequence[ExternalId]] | Frame,
        k: int = 20,
        *,
        explain: bool = False,
        exclude_seen: bool = False,
        candidates: Candidates | None = None,
        allow: Sequence[ExternalId] | None = None,
        deny: Sequence[ExternalId] | None = None,
        categories: Sequence[Sequence[str]] | None = None,
        per_category: int | None = None,
        boost: Mapping[Any, float] | None = None,
        boost_categories: Mapping[Any, float] | None = None,
        diversity: float = 0.0,
    ) -> Answers:
        """The k best next items of each session; see `Recommender.recommend`."""
        return self.recommender.recommend(
            sessions,
            k,
            explain=explain,
            exclude_seen=exclude_seen,
            candidates=candidates,
            allow=allow,
            deny=deny,
            categories=categories,
            per_category=per_category,
            boost=boost,
            boost_categories=boost_categories,
            diversity=diversity,
        )

    def similar_items(
        self,
        item_ids: ExternalId | Sequence[ExternalId],
        k: int = 20,
        *,
        allow: Sequence[ExternalId] | None = None,
        deny: Sequence[ExternalId] | None = None,
        categories: Sequence[Sequence[str]] | None = None,
        per_category: int | None = None,
    ) -> SimilarItems:
        """Of each item the k most similar others; see `Recommender.similar_items`."""
        return self.recommender.similar_items(
            item_ids, k, allow=allow, deny=deny, categories=categories, per_category=per_category
        )

    def export(
        self,
        out: str | Path,
        *,
        data: "Dataset | str | Path | None" = None,
        candidates: Candidates = ALL,
        promise: float | None = None,
        slabs: str = "float32",
        int8: bool = False,
        overwrite: bool = False,
        progress: bool = True,
    ) -> Recommender:
        """Write a bundle, which recommends and serves without PyTorch; returns it opened.

        Args:
            out: The bundle folder to make.
            data: A dataset, or its folder: the exported graph is compared with the model on its validation sessions.
            candidates: The items that the bundle ranks where a call or request names none.
            promise: Choose them on the validation sessions, so that at least this share of the targets are candidates.
            slabs: Type of the vectors that are read first: "float32", or "int8" (a quarter as much to read).
            int8: Quantize the encoder's weights to int8.
            overwrite: Replace an older bundle.
            progress: Tell each step on standard error.

        Raises:
            BadRecipe: The recipe can't be exported.
            MissingExtra: ONNX is not installed.

        """
        with named_extras():
            from hiersrec.evaluate_run import choose_candidates
            from hiersrec.evaluation.choose_candidates import CandidateGoal
            from hiersrec.export_run import export
            from hiersrec.training.progress import progress_stage

        folder = self._data(data)
        TEXT.check(slabs=slabs)
        FLAG.check(int8=int8, overwrite=overwrite, progress=progress)
        if not isinstance(candidates, Candidates):
            raise BadInput(f"candidates must be Candidates, got {repr_of(candidates)}.")
        goal, promised = None, None
        if promise is not None:
            if candidates != ALL:
                raise BadInput("--promise chooses the candidates. Give it, or --top, --share or --mass.")
            goal = CandidateGoal(policy="category", promise=promise)
        with target(arguments.path(out=out), "bundle") as bundle, reporting(progress) as reporter:
            if goal is not None and promise is not None:
                with progress_stage(reporter, "choose candidates on validation") as choosing:
                    candidates, _, kept = choose_candidates(self.folder, folder, goal, choosing)
                promised = {"promise": promise, "kept": kept}
            export(
                self.folder,
                bundle.path,
                reporter.say,
                data=folder,
                candidates=candidates,
                promise=promised,
                slabs=slabs,
                int8_encoder=int8,
                overwrite=overwrite,
            )
        return Recommender.load(bundle.path)

    def add_items(
        self,
        items: str | Path | Frame,
        *,
        out: str | Path | None = None,
        vectors: str | Sequence[str] = (),
        overwrite: bool = False,
        progress: bool = True,
    ) -> "Run":
        """A run of the same model that knows new items too, without retraining; this one stays as it is.

        Args:
            items: The new items, with the columns that the prepared items had: a file, a folder, or a frame.
            out: The run folder to make. If left out, a temporary one that is removed with the returned object.
            vectors: "NAME=FILE.npy" for each column whose vectors lie in a file, a row for each row of `items`.
            overwrite: Replace an older run folder.
            progress: Tell each step on standard error.

        Raises:
            BadRecipe: The model can't score items that it was not trained on; the default recipe's can.
            BadInput: The items don't fit, or none is new.

        """
        with named_extras():
            from hiersrec.add_items import add_items

        names = arguments.texts(vectors=vectors)
        FLAG.check(overwrite=overwrite, progress=progress)
        with target(out, "run") as place:
            with reporting(progress) as reporter:
                add_items(self.folder, items, place.path, reporter.say, vectors=names, overwrite=overwrite)
            larger = Run.open(place.path, dataset=self._dataset)
            place.held_by(larger)
        return larger

    def __repr__(self) -> str:
        return sentence(self.folder, self.document, self.history)

    def _repr_html_(self) -> str:
        return history_table(repr(self), self.history)

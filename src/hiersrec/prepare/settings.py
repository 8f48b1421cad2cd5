"""Settings of `prepare`. Combinations that make no sense are refused here, in the words of the command line."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hiersrec.errors import BadInput, did_you_mean

METHODS = ("last_days", "date", "given", "fraction", "random")
VALIDATIONS = ("random", "latest")
FIRST_LAST_ITEM = "first_last_item"
"""Split key that stands for the pair of a session's first and last item."""
TFIDF = "tfidf"
"""The text encoder that needs no model."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns in the user's files; None: found by its own name or a usual alias."""

    session_id: str | None = None
    """Session of an event."""
    item_id: str | None = None
    """Item of an event, and of a row of the items table."""
    timestamp: str | None = None
    """Time of an event: ISO-8601, or a number of s, ms, us or ns since 1970."""
    position: str | None = None
    """Place of an event in its session."""
    user_id: str | None = None
    """User of an event."""
    event_type: str | None = None
    """Type of an event."""
    category_path: str | None = None
    """Column of the items table that holds the whole path, coarse to fine."""
    category_separator: str = "/"
    """What stands between the parts of a path."""
    category_columns: tuple[str, ...] = ()
    """Columns of the items table, one a level, coarse to fine."""

    def __post_init__(self) -> None:
        if self.category_path and self.category_columns:
            raise BadInput("Give --category-path or --category-columns, not both: they describe the same tree.")
        if not self.category_separator:
            raise BadInput("--category-separator must not be empty. Give what stands between the parts, such as '/'.")


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """What makes a session."""

    gap_seconds: float = 1800.0
    """Without session ids: a new session starts after a pause of the user longer than this."""
    event_types: tuple[str, ...] = ()
    """Keep only events of these types; empty: all."""
    drop_repeats: bool = False
    """Drop an event on the same item as the one before it."""
    max_length: int | None = None
    """Keep only the newest so many events of a session."""

    def __post_init__(self) -> None:
        if not self.gap_seconds > 0:
            raise BadInput(f"--gap must be more than 0 seconds, got {self.gap_seconds}.")
        if self.max_length is not None and self.max_length < 2:
            raise BadInput(
                f"--max-session-length must be at least 2, got {self.max_length}: one item has no next item."
            )


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Least counts, over training and test together; repeated until nothing changes."""

    min_item_count: int = 1
    """Events of an item."""
    min_user_count: int = 1
    """Events of a user."""
    min_session_length: int = 2
    """Events of a session."""

    def __post_init__(self) -> None:
        for name in ("min_item_count", "min_user_count", "min_session_length"):
            if getattr(self, name) < 1:
                raise BadInput(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Which sessions are test, and which training sessions validation. A session's time is that of its last event."""

    method: str | None = None
    """last_days, date, fraction, random, or given (a test file); None only with a test file."""
    value: float | str | None = None
    """Days (last_days), ISO date or UTC seconds (date), share of the sessions (fraction, random)."""
    key: str | None = None
    """random: sessions with the same value of this column, or "first_last_item", stay on one side."""
    seed: int = 0
    """Seed of every random choice."""
    valid: str = "random"
    """random: a random share of the training sessions; latest: their latest share."""
    valid_share: float = 0.1
    """Share of the training sessions that go to validation."""
    hold_out_items: float = 0.0
    """Share of the items whose events are removed from training and validation sessions, as if they were new."""

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            raise BadInput(f"There is no split '{self.method}'. {did_you_mean(self.method, METHODS)}")
        if self.valid not in VALIDATIONS:
            raise BadInput(f"There is no --validation '{self.valid}'. {did_you_mean(self.valid, VALIDATIONS)}")
        if self.seed < 0:
            raise BadInput(f"--seed must be at least 0, got {self.seed}.")
        if not 0 < self.valid_share < 1:
            raise BadInput(f"--validation-share must lie between 0 and 1, got {self.valid_share}.")
        if not 0 <= self.hold_out_items < 1:
            raise BadInput(
                f"--hold-out-items must be a share of the items below 1, such as 0.1, got {self.hold_out_items}. "
                "Leave it out to hold none out."
            )
        if self.key and self.method != "random":
            raise BadInput(
                f"--split-key needs --split random, got --split {self.method}: only a random split keeps keys."
            )
        if self.method == "last_days" and not (isinstance(self.value, int | float) and self.value > 0):
            raise BadInput(f"--split last-days needs a number of days above 0, such as last-days:7, got {self.value}.")
        if self.method in ("fraction", "random") and not (isinstance(self.value, int | float) and 0 < self.value < 1):
            raise BadInput(f"--split {self.method} needs a share between 0 and 1, such as 0.2, got {self.value}.")
        if self.method == "date" and self.value is None:
            raise BadInput("--split date needs a day or a time, such as date:2016-05-25.")
        if self.method in (None, "given") and self.value is not None:
            raise BadInput(f"A given test file takes no split value, got {self.value}. Give --split or --test.")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the columns of the items table are; columns named nowhere are inferred."""

    text: tuple[str, ...] = ()
    """Columns of words."""
    categorical: tuple[str, ...] = ()
    """Columns of a few values."""
    multi: tuple[str, ...] = ()
    """Columns of several values per item: lists, or text with a separator."""
    multi_separator: str = "|"
    """What stands between several values in a text."""
    numeric: tuple[str, ...] = ()
    """Columns of numbers, to be binned."""
    vectors: tuple[str, ...] = ()
    """Columns of ready vectors, as NAME; or NAME=FILE.npy, a row for each row of the items table."""
    text_vectors: tuple[str, ...] = ()
    """Columns of words, to be made vectors by `text_encoder`."""
    text_encoder: str = TFIDF
    """"tfidf", or the folder of a sentence-transformers model."""
    ignore: tuple[str, ...] = ()
    """Columns to leave out altogether."""

    def __post_init__(self) -> None:
        groups = (self.text, self.categorical, self.multi, self.numeric, self.vector_columns, self.text_vectors)
        named = [name for group in (*groups, self.ignore) for name in group]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise BadInput(
                f"Column '{twice[0]}' is named twice among --text, --categorical, --multi, --numeric, --vectors, "
                f"--text-vectors and --ignore. Name it once."
            )
        if wrong := [one for one in self.vectors if not all(part.strip() for part in one.split("=", 1))]:
            raise BadInput(f"--vectors must look like image or image=vectors.npy, got '{wrong[0]}'.")
        if not self.multi_separator:
            raise BadInput("--multi-separator must not be empty. Give what stands between the values, such as '|'.")
        if self.text_encoder != TFIDF and not self.text_vectors:
            raise BadInput(
                f"--text-encoder {self.text_encoder} has nothing to do. Name columns of words with --text-vectors."
            )

    @property
    def vector_columns(self) -> tuple[str, ...]:
        """Names of `vectors`."""
        return tuple(one.split("=", 1)[0].strip() for one in self.vectors)

    @property
    def vector_files(self) -> dict[str, Path]:
        """Name -> file, of those `vectors` that come from one."""
        pairs = (one.split("=", 1) for one in self.vectors if "=" in one)
        return {name.strip(): Path(file.strip()) for name, file in pairs}


@dataclass(frozen=True, kw_only=True)
class Implicit:
    """Categories found in the training sessions, in place of those of the items table."""

    clusters: tuple[int, ...] = ()
    """How many per level, coarse to fine; empty: none are looked for."""
    auto: bool = False
    """One level, of as many clusters as serve the validation sessions best."""

    def __post_init__(self) -> None:
        shown = ",".join(map(str, self.clusters))
        if self.auto and self.clusters:
            raise BadInput(f"--implicit-categories auto chooses the number of clusters, so {shown} has nothing to do.")
        if self.clusters and self.clusters[0] < 2:
            raise BadInput(f"--implicit-categories needs at least 2 clusters a level, got {shown}.")
        if any(fine <= coarse for coarse, fine in zip(self.clusters, self.clusters[1:], strict=False)):
            raise BadInput(
                f"--implicit-categories must grow from level to level, as in 30,995, got {shown}: the clusters of a "
                "level divide those of the level before."
            )

    @property
    def wanted(self) -> bool:
        """Whether implicit categories are looked for."""
        return self.auto or bool(self.clusters)


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """All settings of `prepare`."""

    columns: Columns = field(default_factory=Columns)
    """Names of columns."""
    sessions: SessionRules = field(default_factory=SessionRules)
    """What makes a session."""
    filters: Filters = field(default_factory=Filters)
    """Least counts."""
    split: SplitSettings = field(default_factory=SplitSettings)
    """Test and validation."""
    metadata: Metadata = field(default_factory=Metadata)
    """Features of items."""
    implicit: Implicit = field(default_factory=Implicit)
    """Implicit categories."""

    def document(self) -> dict[str, Any]:
        """The settings for dataset.json. Files and folders by their names alone: paths are nobody's business."""
        found = asdict(self)
        files = self.metadata.vector_files
        found["metadata"]["vectors"] = [
            f"{name}={files[name].name}" if name in files else name for name in self.metadata.vector_columns
        ]
        found["metadata"]["text_encoder"] = Path(self.metadata.text_encoder).name
        return found

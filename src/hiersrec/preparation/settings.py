"""Settings of `prepare`. Invalid combinations raise here, with messages that name the flags of the command line."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hiersrec.errors import BadInput, did_you_mean

METHODS = ("last_days", "date", "given", "fraction", "random", "leave_last")
VALIDATIONS = ("auto", "latest", "random")
FIRST_LAST_ITEM = "first_last_item"
"""Split key that stands for the pair of a session's first and last item."""
TFIDF = "tfidf"
"""The text encoder that needs no model."""


def flag_name(method: str) -> str:
    """The name of a split on the command line: "last-days"."""
    return method.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns in the user's files; None: found by the field's name or a common alias."""

    session_id: str | None = None
    item_id: str | None = None
    """Column of the events, and of the items table if it has it too."""
    items_item_id: str | None = None
    """Column of the items table with the item, where it has another name than in the events."""
    timestamp: str | None = None
    """Times are ISO-8601, or numbers of s, ms, us or ns since 1970."""
    time_format: str | None = None
    """How times are written otherwise, with the directives of Python's strptime."""
    separator: str | None = None
    """Separates the values of text files; None: found from the header."""
    position: str | None = None
    """Number that orders the events of a session."""
    user_id: str | None = None
    event_type: str | None = None
    category_path: str | None = None
    """Column of the items table with the whole path, coarse to fine."""
    category_separator: str = "/"
    """Separates the parts of a path."""
    category_columns: tuple[str, ...] = ()
    """Columns of the items table, one per level, coarse to fine."""

    def __post_init__(self) -> None:
        if self.category_path and self.category_columns:
            raise BadInput("Give --category-path or --category-columns, not both: they describe the same tree.")
        if not self.category_separator:
            raise BadInput("--category-separator must not be empty. Give the text between the parts, such as '/'.")
        if self.separator is not None and (len(self.separator.encode()) != 1 or self.separator in '"\r\n'):
            raise BadInput(
                f"--separator must be one ASCII character, such as ';', or the word tab, got '{self.separator}'."
            )
        if self.time_format is not None and "%" not in self.time_format:
            raise BadInput(
                f"--time-format must be written as for Python's strptime, such as '%d.%m.%Y %H:%M', got "
                f"'{self.time_format}'."
            )


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """Which events make a session."""

    gap_seconds: float = 1800.0
    """Without session ids, a new session starts after a pause of the user longer than this."""
    event_types: tuple[str, ...] = ()
    """Keep only events of these types; empty: all."""
    drop_repeats: bool = False
    """Drop an event on the same item as the one before it."""
    max_length: int | None = None
    """Keep only the newest events of a session, at most this many."""

    def __post_init__(self) -> None:
        if not self.gap_seconds > 0:
            raise BadInput(f"--gap must be more than 0 seconds, got {self.gap_seconds}.")
        if self.gap_seconds == float("inf"):
            raise BadInput(
                "--gap must be finite, got inf. To take all events of a user as one session, give the column of users "
                "to --session-id too, such as --session-id user_id."
            )
        if self.max_length is not None and self.max_length < 2:
            raise BadInput(
                f"--max-session-length must be at least 2, got {self.max_length}: one item has no next item."
            )


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Minimum events of an item, a user, a session, over training and test; repeated until nothing changes."""

    min_item_count: int = 1
    min_user_count: int = 1
    min_session_length: int = 2

    def __post_init__(self) -> None:
        for name in ("min_item_count", "min_user_count", "min_session_length"):
            if getattr(self, name) < 1:
                raise BadInput(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Which sessions are for test and validation. A session's time is the time of its last event."""

    method: str | None = None
    """last_days, date, fraction, random, leave_last, or given (a test file); None only with a test file."""
    value: float | str | None = None
    """Number of days (last_days), ISO date or UTC seconds (date), share of the sessions (fraction, random), 1
    (leave_last: the last item of each session tests, the one before validates)."""
    key: str | None = None
    """random: sessions with the same value of this column, or "first_last_item", stay on one side."""
    seed: int = 0
    """Seed of every random choice."""
    valid: str = "auto"
    """random: a random share of the training sessions; latest: the latest share; auto: the latest, if the test sessions
    are later than all others, else random."""
    valid_share: float = 0.1
    """Share of the training sessions that go to validation."""
    hold_out_items: float = 0.0
    """Share of the items whose events are removed from training and validation sessions, as if the items were new."""

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            shown = flag_name(self.method)
            raise BadInput(f"There is no split '{shown}'. {did_you_mean(shown, list(map(flag_name, METHODS)))}")
        if self.valid not in VALIDATIONS:
            raise BadInput(f"There is no --validation '{self.valid}'. {did_you_mean(self.valid, VALIDATIONS)}")
        if self.seed < 0:
            raise BadInput(f"--seed must be at least 0, got {self.seed}.")
        if not 0 < self.valid_share < 1:
            raise BadInput(f"--validation-share must be between 0 and 1, got {self.valid_share}.")
        if not 0 <= self.hold_out_items < 1:
            raise BadInput(
                f"--hold-out-items must be a share of the items below 1, such as 0.1, got {self.hold_out_items}. "
                "Leave it out to hold none out."
            )
        if self.key and self.method != "random":
            raise BadInput(
                f"--split-key needs --split random, got --split {flag_name(self.method or 'given')}: only a random "
                "split keeps keys."
            )
        if self.method == "last_days" and not (isinstance(self.value, int | float) and self.value > 0):
            raise BadInput(f"--split last-days needs a number of days above 0, such as last-days:7, got {self.value}.")
        if self.method in ("fraction", "random") and not (isinstance(self.value, int | float) and 0 < self.value < 1):
            raise BadInput(f"--split {self.method} needs a share between 0 and 1, such as 0.2, got {self.value}.")
        if self.method == "date" and self.value is None:
            raise BadInput("--split date needs a day or a time, such as date:2016-05-25.")
        if self.method == "leave_last":
            self._check_leave_last()
        if self.method in (None, "given") and self.value is not None:
            raise BadInput(f"A given test file takes no split value, got {self.value}. Give --split or --test.")

    def _check_leave_last(self) -> None:
        if self.value != 1:
            raise BadInput(
                f"--split leave-last tests exactly the last item of each session, got {self.value}. Give leave-last:1."
            )
        for flag, is_given in (
            (f"--validation {self.valid}", self.valid != "auto"),
            (f"--validation-share {self.valid_share}", self.valid_share != 0.1),
            (f"--hold-out-items {self.hold_out_items}", self.hold_out_items > 0),
        ):
            if is_given:
                raise BadInput(
                    f"{flag} has no effect with --split leave-last:1, which divides every session: its last item "
                    "tests, the one before validates, the others train. Leave it out, or choose another split."
                )


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Kinds of the columns of the items table; the kinds of all other columns are inferred."""

    text: tuple[str, ...] = ()
    """Text, tokenized into words."""
    categorical: tuple[str, ...] = ()
    """One value per item."""
    multi: tuple[str, ...] = ()
    """Several values per item: lists, or text with a separator."""
    multi_separator: str = "|"
    """Separates several values in a text."""
    numeric: tuple[str, ...] = ()
    """Numbers, to be binned."""
    vectors: tuple[str, ...] = ()
    """Precomputed vectors: NAME for a column of lists, or NAME=FILE.npy with a row for each row of the items table."""
    text_vectors: tuple[str, ...] = ()
    """Text, encoded as vectors by `text_encoder`."""
    text_encoder: str = TFIDF
    """"tfidf", or the folder of a sentence-transformers model."""
    kinds: tuple[str, ...] = ()
    """COLUMN=KIND: any kind by its name, also one that another distribution brings."""
    ignore: tuple[str, ...] = ()
    """Columns to leave out."""

    def __post_init__(self) -> None:
        if wrong := [text for text in self.kinds if not all(part.strip() for part in text.partition("=")[::2])]:
            raise BadInput(f"--kind must look like place=geo, a column and a kind, got '{wrong[0]}'.")
        groups = (self.text, self.categorical, self.multi, self.numeric, self.vector_columns, self.text_vectors)
        of_kinds = [text.partition("=")[0].strip() for text in self.kinds]
        named = [name for group in (*groups, of_kinds, self.ignore) for name in group]
        if repeated := sorted({name for name in named if named.count(name) > 1}):
            raise BadInput(
                f"Column '{repeated[0]}' is named twice among --text, --categorical, --multi, --numeric, --vectors, "
                f"--text-vectors, --kind and --ignore. Name it once."
            )
        if wrong := [text for text in self.vectors if not all(part.strip() for part in text.split("=", 1))]:
            raise BadInput(f"--vectors must look like image or image=vectors.npy, got '{wrong[0]}'.")
        if not self.multi_separator:
            raise BadInput("--multi-separator must not be empty. Give the text between the values, such as '|'.")
        if self.text_encoder != TFIDF and not self.text_vectors:
            raise BadInput(
                f"--text-encoder {self.text_encoder} needs columns to encode. Name columns of text with --text-vectors."
            )

    @property
    def kind_of(self) -> dict[str, str]:
        """Column -> kind, of the `kinds`."""
        pairs = (text.partition("=") for text in self.kinds)
        return {column.strip(): kind.strip() for column, _, kind in pairs}

    @property
    def vector_columns(self) -> tuple[str, ...]:
        """The names of `vectors`."""
        return tuple(text.split("=", 1)[0].strip() for text in self.vectors)

    @property
    def vector_files(self) -> dict[str, Path]:
        """Name -> file of the `vectors` that are not columns of the items table."""
        pairs = (text.split("=", 1) for text in self.vectors if "=" in text)
        return {name.strip(): Path(file.strip()) for name, file in pairs}


@dataclass(frozen=True, kw_only=True)
class Implicit:
    """Categories found by clustering the items of training sessions; they replace the categories of the items table."""

    clusters: tuple[int, ...] = ()
    """Number of clusters per level, coarse to fine; empty: no implicit categories."""
    auto: bool = False
    """One level, with the number of clusters that is best for the validation sessions."""

    def __post_init__(self) -> None:
        shown = ",".join(map(str, self.clusters))
        if self.auto and self.clusters:
            raise BadInput(f"--implicit-categories auto chooses the number of clusters, got also {shown}. Give one.")
        if self.clusters and self.clusters[0] < 2:
            raise BadInput(f"--implicit-categories needs at least 2 clusters per level, got {shown}.")
        if any(fine <= coarse for coarse, fine in zip(self.clusters, self.clusters[1:], strict=False)):
            raise BadInput(
                f"--implicit-categories must grow from level to level, as in 30,995, got {shown}: the clusters of a "
                "level split the clusters of the level before."
            )

    @property
    def enabled(self) -> bool:
        return self.auto or bool(self.clusters)


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """All settings of `prepare`."""

    columns: Columns = field(default_factory=Columns)
    sessions: SessionRules = field(default_factory=SessionRules)
    filters: Filters = field(default_factory=Filters)
    split: SplitSettings = field(default_factory=SplitSettings)
    metadata: Metadata = field(default_factory=Metadata)
    implicit: Implicit = field(default_factory=Implicit)

    def document(self) -> dict[str, Any]:
        """The settings for dataset.json; of files and folders only the name, because paths are private."""
        document = asdict(self)
        files = self.metadata.vector_files
        document["metadata"]["vectors"] = [
            f"{name}={files[name].name}" if name in files else name for name in self.metadata.vector_columns
        ]
        if not self.metadata.kinds:  # left out, so that datasets without any are what they were before it was there
            del document["metadata"]["kinds"]
        document["metadata"]["text_encoder"] = Path(self.metadata.text_encoder).name
        return document

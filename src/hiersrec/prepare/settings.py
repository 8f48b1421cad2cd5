"""Settings of `prepare`. Combinations that make no sense are refused here, in the words of the command line."""

from dataclasses import dataclass, field

from hiersrec.errors import BadInput, did_you_mean

METHODS = ("last_days", "date", "given", "fraction", "random")
VALIDATIONS = ("random", "latest")
FIRST_LAST_ITEM = "first_last_item"
"""Split key that stands for the pair of a session's first and last item."""


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
class Split:
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

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            raise BadInput(f"There is no split '{self.method}'. {did_you_mean(self.method, METHODS)}")
        if self.valid not in VALIDATIONS:
            raise BadInput(f"There is no --validation '{self.valid}'. {did_you_mean(self.valid, VALIDATIONS)}")
        if not 0 < self.valid_share < 1:
            raise BadInput(f"--validation-share must lie between 0 and 1, got {self.valid_share}.")
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
    ignore: tuple[str, ...] = ()
    """Columns to leave out altogether."""

    def __post_init__(self) -> None:
        named = (*self.text, *self.categorical, *self.ignore)
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise BadInput(
                f"Column '{twice[0]}' is named twice among --text, --categorical and --ignore. Name it once."
            )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of `prepare`."""

    columns: Columns = field(default_factory=Columns)
    """Names of columns."""
    sessions: SessionRules = field(default_factory=SessionRules)
    """What makes a session."""
    filters: Filters = field(default_factory=Filters)
    """Least counts."""
    split: Split = field(default_factory=Split)
    """Test and validation."""
    metadata: Metadata = field(default_factory=Metadata)
    """Features of items."""

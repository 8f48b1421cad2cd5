"""Lists in one word of the command line: "a, b,c"."""


def listed(text: str) -> tuple[str, ...]:
    """What stands between the commas, trimmed; blanks are left out."""
    return tuple(one.strip() for one in text.split(",") if one.strip())

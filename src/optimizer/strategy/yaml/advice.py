"""What to do about text that is no YAML, in words for people who do not know what YAML is."""

import re

_NO_BREAK_SPACE = re.compile(r"^[ -]*\xa0|[\w\"']:\xa0")  # where YAML wants a space

# What the parser says, and what its reader should do about it; the first that matches counts.
_ADVICE = (
    ("mapping values are not allowed", 'one "key: value" per line; text that holds ": " goes in quotes'),
    ("could not find expected ':'", 'a key, a colon and a space, as in "subject: Hello"'),
    ("but found '<scalar>'", "a text in one pair of quotes: one is not closed, or one too many"),
    ("expected <block end>", "indentation that lines up with the lines above"),
    ("expected the node content", "a value, or text in quotes"),
    ("scanning a quoted scalar", "a closing quote"),
    ("escape", "text in single quotes, or a backslash written twice"),
    ("expected ',' or", "a comma between items and a closing bracket"),
    ("found character '\\t'", "spaces; a tab stands here"),
    ("cannot start any token", "text in quotes when it begins with @, ` or %"),
    ("document start", "one document that begins with a key"),
    ("sequence entries are not allowed", 'a list whose items each begin a line with "- "'),
)


def advice(problem: str, line: str, rest: str = "") -> str:
    """What is allowed where the parser stopped.

    Args:
        problem: what the parser says.
        line: the line it stopped in, up to there.
        rest: what follows in that line.
    """
    if _NO_BREAK_SPACE.search(line + rest):
        return "spaces as the space bar makes them; a no-break space (U+00A0) stands here and looks the same"
    if "\t" in line[: len(line) - len(line.lstrip()) + 1]:
        return "spaces at the start of a line; a tab is not allowed there"
    return next((mend for said, mend in _ADVICE if said in problem), "well-formed YAML")

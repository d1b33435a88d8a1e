"""Text of others (the venue, a tape that came from anybody) as a terminal may show it: one row, nothing that moves a cursor or changes a colour.

Who uses it: runtime.console_lines for every line, the one-shot verbs for what they print. Thread: any. Pure. Never: a change to what is recorded.
"""

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "?") | {10: " | ", 13: None, 9: " "}


def printable(text: object) -> str:
    """Without line breaks and terminal codes."""
    return str(text).translate(_CONTROLS)

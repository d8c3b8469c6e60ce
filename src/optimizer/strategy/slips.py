"""What a marketer meant who wrote times, dates or money as people do, and not as documents do.

Nothing here is ever read as if it were right: a slip only makes the finding name what to write instead.
"""

import re
from calendar import month_name, monthrange
from collections.abc import Collection, Mapping

_UNITS: Mapping[str, tuple[int, str]] = {  # how many of which ISO 8601 unit
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), (1, "TS")),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), (1, "TM")),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), (1, "TH")),
    **dict.fromkeys(("d", "day", "days", "daily"), (1, "D")),
    **dict.fromkeys(("w", "week", "weeks", "weekly"), (7, "D")),
    **dict.fromkeys(("month", "months", "monthly"), (30, "D")),
    **dict.fromkeys(("year", "years", "yearly"), (365, "D")),
}
_NUMBERS: Mapping[str, int] = {
    **dict.fromkeys(("a", "an", "one"), 1),
    **dict(zip(("two", "three", "four", "five", "six", "seven"), range(2, 8), strict=True)),
    **dict(zip(("eight", "nine", "ten", "eleven", "twelve"), range(8, 13), strict=True)),
}
_SPAN = re.compile(r"(?:(\d{1,4}|[a-z]+)[ -]?)??([a-z]+)\Z", re.ASCII)
_TIME = r"(\d{1,2})(?:[:.h](\d{2}))? ?(?:([ap])\.?m\.?|uhr)?"
_TIMES = re.compile(rf"{_TIME} ?(?:-|\u2013|\u2014|to|until|till) ?{_TIME}\Z", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"(\d{4})[-/. ]?(\d{1,2})[-/. ]?(\d{1,2})\Z", re.ASCII)
_DATE_WITH_POINTS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\Z", re.ASCII)
_DATE_IN_WORDS = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th|\.)? (?:of )?([a-z]{3,9})|([a-z]{3,9}) (\d{1,2})(?:st|nd|rd|th)?),? (\d{4})\Z",
    re.ASCII | re.IGNORECASE,
)
_LOCAL_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?\Z", re.ASCII)

# Abbreviations are used in many places at once, and most of them name only half of a year.
_CITIES: Mapping[str, str] = {
    **dict.fromkeys(("est", "edt", "et", "eastern"), "America/New_York"),
    **dict.fromkeys(("cst", "cdt", "ct", "central"), "America/Chicago"),
    **dict.fromkeys(("mst", "mdt", "mt", "mountain"), "America/Denver"),
    **dict.fromkeys(("pst", "pdt", "pt", "pacific"), "America/Los_Angeles"),
    **dict.fromkeys(("cest", "mez", "mesz"), "Europe/Berlin"),
    "bst": "Europe/London",
    "ist": "Asia/Kolkata",
}
_CURRENCIES: Mapping[str, str] = {
    **dict.fromkeys(("$", "us$", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("€", "euro", "euros"), "EUR"),
    **dict.fromkeys(("£", "pound", "pounds"), "GBP"),
    **dict.fromkeys(("₹", "rupee", "rupees"), "INR"),
    **dict.fromkeys(("¥", "yen"), "JPY"),
}
_MONEY = re.compile(
    r"(?P<minus>[-\u2212] ?)?(?P<before>[^\W\d_]{2,7}|(?:US)?[$€£₹¥])? ?(?P<number>\d[\d.,' ]{0,14}\d|\d)"
    r"(?P<times>[km](?![a-z]))? ?(?P<after>[^\W\d_]{3,7}|[$€£₹¥])?"
    r"(?: ?(?:per|/|a|each|for) ?(?P<event>[\w ]{1,48}))?\Z",
    re.IGNORECASE,
)


def span_meant(written: object) -> str | None:
    """The ISO 8601 duration that ``7 days``, ``two weeks`` or ``2w`` means; None when nobody can tell."""
    match = _SPAN.match(written.strip().lower()) if isinstance(written, str) and len(written) < 40 else None
    if match is None or match[2] not in _UNITS:
        return None
    said = match[1] or "one"
    count = int(said) if said.isdigit() else _NUMBERS.get(said, 0)
    each, unit = _UNITS[match[2]]
    return f"P{unit[:-1]}{count * each}{unit[-1]}" if count else None


def window_meant(written: object) -> str | None:
    """The window that ``9pm-8am``, ``9:00 to 17:00`` or a list of two times means; None when nobody can tell."""
    if isinstance(written, list) and len(written) == 2:
        written = f"{written[0]}-{written[1]}"
    match = _TIMES.match(written.strip()) if isinstance(written, str) and len(written) < 40 else None
    if match is None:
        return None
    start, end = _minute(*match.groups()[:3]), _minute(*match.groups()[3:])
    return None if start is None or end is None or start == end else f"{_clock(start)}-{_clock(end)}"


def _minute(hour: str, minute: str | None, half: str | None) -> int | None:
    hours, minutes = int(hour), int(minute or 0)
    if half:
        hours = hours % 12 + (12 if half.lower() == "p" else 0) if 1 <= hours <= 12 else 24
    hours = 0 if (hours, minutes) == (24, 0) and not half else hours
    return 60 * hours + minutes if hours < 24 and minutes < 60 else None


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def zone_meant(written: str, zones: Collection[str]) -> str | None:
    """The time zone that ``New York`` or ``EST5`` means, one of the zones; None when nobody can tell."""
    place = written.strip().lower().replace(" ", "_")
    if abbreviated := _CITIES.get(re.sub(r"_?(?:standard_|daylight_)?(?:time)?[\d:+-]*\Z", "", place)):
        return abbreviated
    return next((zone for zone in sorted(zones) if zone.lower().rpartition("/")[2] == place), None)


def date_advice(written: object) -> str | None:
    """What to write instead of a date that is written another way, or that does not exist."""
    text = str(written).strip() if isinstance(written, str | int) and not isinstance(written, bool) else ""
    if len(text) > 40:
        return None
    if _LOCAL_TIME.match(text):
        return f"a time with its offset from UTC, such as {text.replace(' ', 'T')}-05:00, or the day alone"
    year, month, day = _year_month_day(text)
    if not 2000 <= year <= 2999 or not 1 <= month <= 12:
        return None
    last = monthrange(year, month)[1]
    if not 1 <= day <= last:
        return f"a date such as {year}-{month:02}-{last}: {month_name[month]} {year} has {last} days"
    return f"a date such as {year}-{month:02}-{day:02}: year, month, day"


def _year_month_day(text: str) -> tuple[int, int, int]:
    """Year, month and day where only one reading is possible (12/01/2026 has two), else zeros."""
    if match := _DATE.match(text):
        return int(match[1]), int(match[2]), int(match[3])
    if match := _DATE_WITH_POINTS.match(text):
        return int(match[3]), int(match[2]), int(match[1])
    if match := _DATE_IN_WORDS.match(text):
        name = (match[2] or match[3]).lower()
        months = [n for n in range(1, 13) if month_name[n].lower().startswith(name)]
        if len(months) == 1:
            return int(match[5]), months[0], int(match[1] or match[4])
    return 0, 0, 0


def currency_meant(written: object) -> str | None:
    """The ISO 4217 code that ``$``, ``euro`` or ``usd`` means; None when nobody can tell."""
    if not isinstance(written, str):
        return None
    known = _CURRENCIES.get(written.lower())
    return known or (written.upper() if re.fullmatch(r"[A-Za-z]{3}", written) and written != written.upper() else None)


def money_meant(written: object) -> str | None:
    """The amount that ``$5``, ``9,99 USD`` or 5000 means, with the event it is for; None when nobody can tell.

    Where no currency is named it is USD: an example of how amounts are written.
    """
    if isinstance(written, int | float) and not isinstance(written, bool):
        written = f"{written:f}".rstrip("0").rstrip(".") if isinstance(written, float) else str(written)
    if isinstance(written, dict):
        written = f"{written.get('amount', written.get('value', ''))} {written.get('currency', '')}".strip()
    match = _MONEY.match(written.strip()) if isinstance(written, str) and len(written) < 80 else None
    number = _number(match["number"]) if match else None
    if match is None or number is None:
        return None
    codes = [_code(match[name]) for name in ("before", "after") if match[name]]
    if match["times"]:
        number = f"{float(number) * (1e3 if match['times'].lower() == 'k' else 1e6):.0f}"
    event = re.sub(r"\W+", "_", (match["event"] or "").strip().lower())
    if event in ("1000", "thousand", "mille") or len(codes) > 1 or None in codes or len(number.split(".")[0]) > 9:
        return None
    due = f" per {event}" if re.fullmatch(r"[a-z][a-z0-9_]*", event, re.ASCII) else ""
    return f"{number} {codes[0] if codes else 'USD'}{due}"


def _code(written: str) -> str | None:
    return currency_meant(written) or (written if re.fullmatch(r"[A-Z]{3}", written) else None)


def _number(written: str) -> str | None:
    """A decimal number without separators of thousands: the last of two kinds of separator is the decimal one."""
    text = written.replace(" ", "").replace("'", "")
    separators = [character for character in text if character in ".,"]
    if len(set(separators)) == 2:
        text = text.replace("," if separators[-1] == "." else ".", "")
    elif len(separators) > 1 or re.fullmatch(r"[1-9]\d{0,2},\d{3}", text):
        text = text.replace(separators[0], "")
    text = text.replace(",", ".")
    return text if re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", text) else None

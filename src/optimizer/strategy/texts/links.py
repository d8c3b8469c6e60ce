"""Links in texts, and the host each of them leads to, read as browsers read addresses (WHATWG URL standard)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from optimizer.strategy.texts.markup import Traced

_AUTHORITY = r"[^\s/\\?#\"'<>()\[\]]*"
_TOP_LEVEL = "com|net|org|info|biz|io|co|me|ly|ru|cn|xyz|top|shop|site|online|store|app|link|click|live|vip"
_LINK = re.compile(
    rf"""
    \bhref\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>"']+))
    | (?:https?|ftp):(?P<slashes>[\\/]*)(?P<authority>{_AUTHORITY})(?P<backslash>\\?)
    | (?<![\w:/\\])[\\/]{{2}}(?P<relative>(?=[^\s.]*\.\w|\{{\{{){_AUTHORITY})(?P<after>\\?)
    | (?<![\w@./-])(?P<named>www\.{_AUTHORITY}|(?:[\w-]+\.)+(?:{_TOP_LEVEL})(?![\w@-])(?!\.\w))
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SPACES_AND_CONTROLS = re.compile(r"[\x00-\x20]+")
_ABSOLUTE = re.compile(rf"(?:(?:https?|ftp):[\\/]*|[\\/]{{2}})({_AUTHORITY})(\\?)", re.IGNORECASE)
_NO_HOST = re.compile(r"(?:mailto|tel|sms):|#|\Z", re.IGNORECASE)
_FILLED_ADDRESS = re.compile(r"\{\{[^{}]*\}\}(?:[/?#]|\Z)")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class Link:
    """A link, or what would become one.

    Attributes:
        host: where it leads, in ASCII; empty when that cannot be said for sure.
        has_placeholder: whether a placeholder stands where the host belongs.
        start: offset of the link in the text.
        end: offset after it.
    """

    host: str
    has_placeholder: bool
    start: int
    end: int


def links(text: Traced) -> Iterator[Link]:
    """Every link of a text but ``mailto:``, ``tel:``, ``sms:`` and those that a placeholder fills as a whole."""
    for match in _LINK.finditer(text.text):
        target = next((match[group] for group in ("double", "single", "bare") if match[group] is not None), None)
        authority, backslash = match["authority"], match["backslash"]
        if target is not None:
            address = _SPACES_AND_CONTROLS.sub("", target)
            absolute = _ABSOLUTE.match(address)
            if _NO_HOST.match(address) or (not absolute and _FILLED_ADDRESS.match(address)):
                continue
            # Without a scheme browsers and mail programs do not agree on where it leads.
            authority, backslash = (absolute[1], absolute[2]) if absolute else ("", "")
        elif authority is None:
            authority, backslash = match["relative"] or match["named"], match["after"]
        elif not authority and not match["slashes"]:
            continue  # "http: a protocol"
        host = "" if backslash else host_name(_host_of(authority))
        yield Link(host, "{{" in authority, *text.extent(*match.span()))


def _host_of(authority: str) -> str:
    """What stands after a name and password, and before a port and a sentence's punctuation."""
    host = authority.rpartition("@")[2].rstrip(".,;:!*_~`…")
    return re.sub(r":[0-9]*\Z", "", host).rstrip(".")


def host_name(text: str) -> str:
    """A host's name in small ASCII letters, with other scripts as RFC 3492 encodes them; empty when it is none."""
    labels = []
    for label in text.lower().split("."):
        # No mapping of look-alikes or sharp s here: browsers keep them apart, so they are another host.
        encoded = label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        if not _LABEL.match(encoded):
            return ""
        labels.append(encoded)
    host = ".".join(labels)
    return host if len(labels) > 1 and len(host) <= _LONGEST_HOST else ""


def leads_to(host: str, domains: Collection[str]) -> bool:
    """Whether a host is one of the domains or below one of them."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)

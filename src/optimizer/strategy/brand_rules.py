"""What a message says against what its brand says it may and must say."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from optimizer.strategy.audience import Attribute
from optimizer.strategy.brand import Brand
from optimizer.strategy.documents import Message
from optimizer.strategy.texts.links import Link, leads_to, links
from optimizer.strategy.texts.markup import Traced, decoded, shown, without_hidden
from optimizer.strategy.texts.phrases import Reading, phrase, readings
from optimizer.strategy.texts.placeholders import Placeholder, filled, placeholders, without_placeholders
from optimizer.strategy.wording import numeral, one_of
from optimizer.strategy.yaml.source import shortened

Rule = Literal[
    "banned_phrase", "required_part", "disclaimer", "length", "capitals", "exclamations", "link_domain", "placeholder"
]

FEWEST_LETTERS = 10  # with a case; fewer of them are no shouting, but a name or "SALE"
_ONE_BRACE = re.compile(r"(?<!\{)\{\s*([A-Za-z0-9][A-Za-z0-9._-]{0,47})\s*(?:\|[^{}]{0,60})?\}(?!\})")
_MORE_EXCLAMATIONS = str.maketrans(dict.fromkeys("\u2757\u2755\u01c3", "!"))


@dataclass(frozen=True, slots=True)
class BrandViolation:
    """One rule a message breaks.

    Attributes:
        message_id: the message.
        field: ``subject``, ``body`` or ``fields.NAME``.
        position: 1-based character in the text as written; 0 for the text as a whole.
        rule: the rule.
        found: what stands there as written: placeholders are not filled in, so no personal data is quoted.
        mend: what is allowed instead.
    """

    message_id: str
    field: str
    position: int
    rule: Rule
    found: str
    mend: str


@dataclass(frozen=True, slots=True)
class Loudness:
    """What of a text the limits count.

    Attributes:
        length: characters.
        letters: letters with a case.
        capitals: those of them that are capitals.
        exclamations: exclamation marks.
    """

    length: int
    letters: int
    capitals: int
    exclamations: int

    @classmethod
    def of(cls, text: str) -> "Loudness":
        """The loudness of a text that is neither HTML nor holds placeholders."""
        capitals = sum(map(str.isupper, text))
        return cls(len(text), capitals + sum(map(str.islower, text)), capitals, n_exclamations(text))

    def __add__(self, other: "Loudness") -> "Loudness":
        return Loudness(
            self.length + other.length,
            self.letters + other.letters,
            self.capitals + other.capitals,
            self.exclamations + other.exclamations,
        )


def n_exclamations(text: str) -> int:
    """Exclamation marks: "‼" is two, and "¡Hola!" has one."""
    marks = unicodedata.normalize("NFKC", text.translate(_MORE_EXCLAMATIONS))
    return max(marks.count("!"), marks.count("¡"))


@dataclass(frozen=True)
class _Text:
    """One text of a message, with its placeholders filled in."""

    field: str
    written: str
    filled: Traced
    ways: tuple[Reading, ...]

    def excerpt(self, start: int, end: int) -> str:
        return shortened(self.written[start:end])


@dataclass(frozen=True)
class BrandRules:
    """A brand's rules.

    Attributes:
        brand: what the strategy says.
        attributes: the strategy's attributes by name; placeholders may stand for those.
    """

    brand: Brand
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def violations(
        self, channel: str, message_id: str, texts: Mapping[str, str], values: Mapping[str, str] | None = None
    ) -> Iterator[BrandViolation]:
        """Every rule on words that a message breaks, text by text.

        Args:
            channel: how it travels; required parts depend on it.
            message_id: the message.
            texts: its texts by field: ``subject``, ``body``, ``fields.NAME``.
            values: what is filled in by attribute; fallbacks where nothing is.
        """
        known = values or {}
        read = []
        for name, written in texts.items():
            text = filled(Traced.of(written), lambda of, fallback: self._shown_for(of, known.get(of) or fallback))
            read.append(_Text(name, written, text, readings(without_placeholders(text))))
        for one in read:
            for rule, (start, end), found, mend in (
                *self._banned(one),
                *self._too_long_or_loud(one),
                *self._strange_links(one),
            ):
                position = 0 if end == 0 else start + 1
                yield BrandViolation(message_id, one.field, position, rule, found, mend)
        yield from self._disclaimers(message_id, read)
        yield from self._required(channel, message_id, texts)

    def _shown_for(self, name: str, text: str) -> str | None:
        """A text in place of an attribute's placeholder; the sender's own placeholders stay as they are."""
        return text if name in self.attributes else None

    def placeholder_violations(self, message_id: str, texts: Mapping[str, str]) -> Iterator[BrandViolation]:
        """Placeholders that are malformed, not declared, sensitive, or without a fallback they need."""
        for name, text in texts.items():
            for placeholder in placeholders(text):
                if mend := self._mend(placeholder):
                    found = shortened(text[placeholder.start : placeholder.end])
                    yield BrandViolation(message_id, name, placeholder.start + 1, "placeholder", found, mend)
            for match in _ONE_BRACE.finditer(text):
                if match[1] in self.attributes or match[1] in self.brand.placeholders:
                    mend = f"two braces on either side, as in {{{{{match[1]}}}}}: with one it is sent as it stands"
                    yield BrandViolation(message_id, name, match.start() + 1, "placeholder", match[0], mend)

    def _mend(self, placeholder: Placeholder) -> str | None:
        name = placeholder.name
        if not name:
            return "a placeholder as {{name}} or {{name|fallback}}"
        if name in self.attributes:
            if self.attributes[name].sensitive:
                return "an attribute that is not sensitive"
            if placeholder.fallback is None:
                return f"a fallback for recipients whose {name} is not known, as in {{{{{name}|there}}}}"
        elif name not in self.brand.placeholders:
            usable = (n for n, attribute in self.attributes.items() if not attribute.sensitive)
            names = one_of((*self.brand.placeholders, *usable), name)
            return f"{names}, or its name in `attributes` or brand.placeholders of the strategy"
        return None

    def _banned(self, text: _Text) -> Iterator[tuple[Rule, tuple[int, int], str, str]]:
        for written in self.brand.banned_phrases:
            for extent in phrase(written).found_in(text.ways):
                mend = f'words other than the banned phrase "{shortened(written)}": say it another way'
                yield "banned_phrase", extent, text.excerpt(*extent), mend

    def _too_long_or_loud(self, text: _Text) -> Iterator[tuple[Rule, tuple[int, int], str, str]]:
        limits, seen = self.brand.limits, loudness(text.filled)
        longest = limits.length_of(text.field)
        if longest is not None and seen.length > longest:
            start = text.filled.origin[longest]
            yield (
                "length",
                (start, len(text.written)),
                _number(seen.length, "character"),
                _at_most(longest, "character"),
            )
        if is_shouted(text.written, seen, limits.capitals):
            found = f"{seen.capitals} of {seen.letters} letters in capitals"
            mend = f"a share of capitals of at most {numeral(limits.capitals or 0.0)}: write more in small letters"
            yield "capitals", (0, 0), found, mend
        if limits.exclamations is not None and seen.exclamations > limits.exclamations:
            found = _number(seen.exclamations, "exclamation mark")
            yield "exclamations", (0, 0), found, _at_most(limits.exclamations, "exclamation mark")

    def _strange_links(self, text: _Text) -> Iterator[tuple[Rule, tuple[int, int], str, str]]:
        domains = self.brand.link_domains
        if domains is None:
            return
        # As written, a placeholder is seen where a host belongs; filled in, where its value leads to.
        as_written = [link for link in shown_links(Traced.of(text.written)) if link.has_placeholder]
        places = {(link.start, link.end): link for link in (*shown_links(text.filled), *as_written)}
        for extent, link in sorted(places.items(), key=lambda item: item[0]):
            if link.has_placeholder:
                mend = "a host that is written out: a placeholder may fill a whole address, or what follows its host"
            elif not domains:
                mend = "no link: brand.link_domains of the strategy is empty"
            elif not link.host:
                mend = f"a whole address, https:// and a host that is {one_of(domains)}"
            elif not leads_to(link.host, domains):
                mend = f"a link to {one_of(domains)}, or below it"
            else:
                continue
            yield "link_domain", extent, text.excerpt(*extent), mend

    def _disclaimers(self, message_id: str, texts: Collection[_Text]) -> Iterator[BrandViolation]:
        for rule in self.brand.requires_disclaimer:
            said = ((text, extent) for text in texts for extent in phrase(rule.when).found_in(text.ways))
            first = next(said, None)
            # What a placeholder is filled with may say it today and not tomorrow.
            if first and not any(phrase(rule.then).is_said_in(_fixed(text.written)) for text in texts):
                text, extent = first
                mend = f'"{shortened(rule.then)}" somewhere in the message, as it says "{shortened(rule.when)}"'
                found = text.excerpt(*extent)
                yield BrandViolation(message_id, text.field, extent[0] + 1, "disclaimer", found, mend)

    def _required(self, channel: str, message_id: str, texts: Mapping[str, str]) -> Iterator[BrandViolation]:
        for part in self.brand.required.get(channel, ()):
            if texts and not _holds(texts.values(), part):
                name = "body" if "body" in texts else next(iter(texts))
                mend = f"{shortened(part)} somewhere in the message: messages by {channel} must hold it"
                yield BrandViolation(message_id, name, 0, "required_part", f"no {shortened(part)}", mend)


def texts_of(message: Message) -> dict[str, str]:
    """The texts of a message by field: ``subject``, ``body``, ``fields.NAME``."""
    named = {f"fields.{name}": text for name, text in (message.fields or {}).items()}
    return {name: text for name, text in (("subject", message.subject), ("body", message.body), *named.items()) if text}


def loudness(text: Traced) -> Loudness:
    """What of a text the limits count: its length as written, but letters and marks as shown, without placeholders."""
    seen = Loudness.of(shown(without_placeholders(text))[0].text)
    return Loudness(len(text.text), seen.letters, seen.capitals, seen.exclamations)


def is_shouted(written: str, seen: Loudness, most: float | None) -> bool:
    """Whether too many letters are capitals; a name without spaces, such as a template's, is for machines."""
    if most is None or seen.letters < FEWEST_LETTERS or not any(map(str.isspace, written.strip())):
        return False
    return seen.capitals > most * seen.letters


def shown_links(text: Traced) -> list[Link]:
    """The links of a text, with HTML entities read as what they stand for."""
    return list(links(decoded(without_hidden(text))))


def _fixed(written: str) -> tuple[Reading, ...]:
    return readings(without_placeholders(Traced.of(written)))[:1]


def _holds(texts: Collection[str], part: str) -> bool:
    """Whether the texts hold a part: its placeholders, with any fallback and spacing, and its words."""
    needed = {placeholder.name for placeholder in placeholders(part)}
    names = {placeholder.name for text in texts for placeholder in placeholders(text)}
    words = without_placeholders(Traced.of(part)).text.strip()
    if not needed <= names:
        return False
    if not any(map(str.isalnum, words)):
        return any(words in text for text in texts)
    return any(phrase(words).is_said_in(_fixed(text)) for text in texts)


def _at_most(limit: int, what: str) -> str:
    return f"at most {_number(limit, what)}: leave some out"


def _number(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"

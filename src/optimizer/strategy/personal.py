"""Whether what is known about a recipient makes a message break its brand's rules once it is filled in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.strategy.audience import Attribute, BooleanAttribute, CategoryAttribute
from optimizer.strategy.brand import Brand
from optimizer.strategy.brand_rules import BrandRules, BrandViolation, Loudness, is_shouted, loudness, texts_of
from optimizer.strategy.documents import Message
from optimizer.strategy.texts.markup import Traced
from optimizer.strategy.texts.phrases import FEWEST_SPACED_OUT, UNSPACED, phrase
from optimizer.strategy.texts.placeholders import Placeholder, filled, slots
from optimizer.strategy.texts.plain_text import plain
from optimizer.strategy.wording import numeral

MOST_COMBINATIONS = 500  # of declared values, tried beforehand; with more of them each recipient's are looked at

_MARKUP = re.compile(r"<[a-z!/?\[]|\{\{|\}\}|&#?\w{1,40};|[\x00-\x1f\x7f]", re.IGNORECASE)
_ORDINARY = re.compile(r"[^\W_]+(?:[ '’-][^\W_]+)*\Z|-?\d+\.\d+\Z")  # noqa: RUF001 - as phones write O'Neill
_DIVIDERS = re.compile(r"[ '.-]")
_BEFORE, _AFTER = re.compile(r"(?:\A|[\s(])\Z"), re.compile(r"[.,;:!?)]*(?:\s|\Z)")
_WORD_BEFORE, _WORD_AFTER = re.compile(r"(?:\A|[^\W_]{2}[.,:!?)]*)\s*\Z"), re.compile(r"[.,:!?)]*(?:\Z|\s+[^\W_]{2})")
_AS_DIGITS = str.maketrans("oileast", "0113457")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A placeholder of an attribute.

    Attributes:
        name: the attribute.
        fallback: what is shown when it is not known.
        is_apart: whether no letter or sign touches what fills it.
        is_among_words: whether it is at most next to words of two letters or more.
    """

    name: str
    fallback: str
    is_apart: bool
    is_among_words: bool

    @classmethod
    def of(cls, placeholder: Placeholder, written: str) -> "_Slot":
        before = written[max(0, placeholder.start - 40) : placeholder.start]
        return cls(
            placeholder.name,
            placeholder.fallback or "",
            bool(_BEFORE.search(before[-1:]) and _AFTER.match(written, placeholder.end)),
            bool(_WORD_BEFORE.search(before) and _WORD_AFTER.match(written, placeholder.end)),
        )


@dataclass(frozen=True, slots=True)
class _PersonalText:
    """A text with placeholders of attributes, and what the limits count of it without them."""

    field: str
    written: str
    fixed: Loudness
    slots: tuple[_Slot, ...]


class PersonalCheck:
    """Judges one message as one recipient would get it; holds no personal data between calls.

    Attributes:
        attribute_names: the attributes that fill the message's placeholders.
    """

    def __init__(self, rules: BrandRules, channel: str, message_id: str, texts: Mapping[str, str]) -> None:
        self._rules, self._channel, self._message_id = rules, channel, message_id
        self._texts = texts
        self._personal = [text for text in (_personal_text(rules, *item) for item in texts.items()) if text.slots]
        self.attribute_names = tuple(dict.fromkeys(slot.name for text in self._personal for slot in text.slots))
        brand = rules.brand
        watched = (*brand.banned_phrases, *(disclaimer.when for disclaimer in brand.requires_disclaimer))
        pieces = {piece for words in watched for piece in phrase(words).pieces()}
        digits = (piece.translate(_AS_DIGITS) for piece in pieces)
        self._watched = frozenset(pieces | {word for word in digits if word.isdecimal()})
        self._watches_unspaced = any(map(UNSPACED.search, pieces))

    def broken(self, attributes: Attributes) -> BrandViolation | None:
        """The first rule the message breaks with a recipient's attributes filled in; None when it breaks none."""
        values = {name: as_text(attributes.get(name)) for name in self.attribute_names}
        if self._is_harmless(values):
            return None
        for text in self._personal:
            for slot in text.slots:
                if _MARKUP.search(values[slot.name]):
                    found, mend = f"the value of {slot.name}", "a value without markup and line breaks"
                    return BrandViolation(self._message_id, text.field, 0, "placeholder", found, mend)
        return next(self._rules.violations(self._channel, self._message_id, self._texts, values), None)

    def _is_harmless(self, values: Mapping[str, str]) -> bool:
        """Whether it is plain without reading the whole message that no rule is broken."""
        limits = self._rules.brand.limits
        for text in self._personal:
            seen = text.fixed
            for slot in text.slots:
                if value := values[slot.name] or slot.fallback:
                    if not (slot.is_apart and self._is_ordinary(value, slot)):
                        return False
                    capitals = sum(map(str.isupper, value))
                    letters = capitals + sum(map(str.islower, value))
                    seen += Loudness(len(value), letters, capitals, 0)
            longest = limits.length_of(text.field)
            if (longest is not None and seen.length > longest) or is_shouted(text.written, seen, limits.capitals):
                return False
        return True

    def _is_ordinary(self, value: str, slot: _Slot) -> bool:
        """Whether a value is words and numbers, none of them part of a phrase that is looked for."""
        if not _ORDINARY.match(value) or (self._watches_unspaced and UNSPACED.search(value)):
            return False
        if value.isascii():
            words = _DIVIDERS.split(value.lower().removeprefix("-"))
        else:
            traced = Traced.of(value)
            words = [*plain(traced).text.split(), *plain(traced, look_alikes=True).text.split()]
        # Letters alone may belong to a word that is spaced out, digits among letters may stand for letters.
        n_alone = sum(len(word) == 1 for word in words)
        return (n_alone == 0 or (slot.is_among_words and n_alone < FEWEST_SPACED_OUT)) and all(
            (word.isalpha() or word.isdecimal()) and word not in self._watched for word in words
        )


def personal_risks(
    brand: Brand, channel: str, message: Message, attributes: Mapping[str, Attribute]
) -> PersonalCheck | None:
    """The check a message needs when a decision is made; None when no value of an attribute can break a rule.

    Args:
        brand: the strategy's rules.
        channel: the campaign's channel.
        message: the message.
        attributes: the strategy's attributes by name.
    """
    check = PersonalCheck(BrandRules(brand, attributes), channel, message.id, texts_of(message))
    choices = [_choices(attributes[name]) for name in check.attribute_names]
    if any(values is None for values in choices) or prod(len(c or ()) for c in choices) > MOST_COMBINATIONS:
        return check
    combinations = product(*(values or () for values in choices))
    recipients = (_known(zip(check.attribute_names, chosen, strict=True)) for chosen in combinations)
    return check if any(check.broken(recipient) for recipient in recipients) else None


def declared_values(attribute: Attribute) -> tuple[AttributeValue, ...] | None:
    """Every value an attribute may have; None when they cannot be listed."""
    if isinstance(attribute, CategoryAttribute):
        return attribute.values
    return (True, False) if isinstance(attribute, BooleanAttribute) else None


def as_text(value: AttributeValue | None) -> str:
    """A value as a sender would insert it; empty when it is not known."""
    if value is None or isinstance(value, str):
        return value or ""
    return ("true" if value else "false") if isinstance(value, bool) else numeral(float(value))


def _choices(attribute: Attribute) -> tuple[AttributeValue | None, ...] | None:
    values = declared_values(attribute)
    return None if values is None else (*values, None)


def _known(items: Iterator[tuple[str, AttributeValue | None]]) -> Attributes:
    return {name: value for name, value in items if value is not None}


def _personal_text(rules: BrandRules, field: str, written: str) -> _PersonalText:
    own = tuple(_Slot.of(slot, written) for slot in slots(written) if slot.name in rules.attributes)
    fixed = filled(Traced.of(written), lambda name, _: "" if name in rules.attributes else None)
    return _PersonalText(field, written, loudness(fixed), own)

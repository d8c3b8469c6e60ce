"""What a brand may say and must, as the strategy says it; `brand_rules` judges texts by it."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt

from optimizer.strategy.fields import (
    FIELD_PATTERN,
    WORDS_PATTERN,
    Document,
    FieldName,
    Number,
    Reference,
    not_allowed,
)
from optimizer.strategy.texts.links import host_name
from optimizer.strategy.texts.markup import Traced
from optimizer.strategy.texts.plain_text import plain

Length = Annotated[StrictInt, Field(ge=1, le=100_000)]

_LETTER_OR_DIGIT = re.compile(r"\w")


def _phrase(text: str) -> str:
    if not _LETTER_OR_DIGIT.search(plain(Traced.of(text)).text):
        raise not_allowed('words: without letters and digits there is nothing to look for, as in "risk-free"')
    return text


def _domain(text: str) -> str:
    host = host_name(text)
    if not host:
        raise not_allowed("a host name alone, without https://, path or port, such as acme.example")
    return host


Phrase = Annotated[str, Field(pattern=WORDS_PATTERN, max_length=200), AfterValidator(_phrase)]
Part = Annotated[str, Field(pattern=WORDS_PATTERN, max_length=1_000)]
Domain = Annotated[str, Field(pattern=WORDS_PATTERN, max_length=253), AfterValidator(_domain)]
PlaceholderName = Annotated[str, Field(pattern=FIELD_PATTERN)]


class Disclaimer(Document):
    """Words that need other words."""

    when: Phrase = Field(description='words that need a disclaimer, such as "free"')
    then: Phrase = Field(description='what the message must then say, such as "Terms apply"')


class TextLimits(Document):
    """How long and how loud texts may be."""

    subject: Length | None = Field(default=None, description="most characters of a subject, such as 60")
    body: Length | None = Field(default=None, description="most characters of a body, such as 5000")
    fields: Mapping[FieldName, Length] = Field(
        default_factory=dict, max_length=50, description="most characters of other fields, such as {headline: 30}"
    )
    capitals: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        default=None, description="largest share of capitals among a text's letters, such as 0.3"
    )
    exclamations: Annotated[StrictInt, Field(ge=0, le=1_000)] | None = Field(
        default=None, description="most exclamation marks in a text, such as 1"
    )

    def length_of(self, field: str) -> int | None:
        """Most characters of ``subject``, ``body`` or ``fields.NAME``; None for any number."""
        named = {f"fields.{name}": length for name, length in self.fields.items()}
        return {"subject": self.subject, "body": self.body, **named}.get(field)


class Brand(Document):
    """What words may say, and must."""

    banned_phrases: tuple[Phrase, ...] = Field(
        default=(), max_length=500, description='words that are never said, such as ["guaranteed", "risk-free"]'
    )
    required: Mapping[Reference, tuple[Part, ...]] = Field(
        default_factory=dict,
        max_length=50,
        description='what each message must hold, by channel, such as {email: ["{{unsubscribe_url}}"]}',
    )
    requires_disclaimer: tuple[Disclaimer, ...] = Field(
        default=(), max_length=100, description='words that need others, such as {when: "free", then: "Terms apply"}'
    )
    limits: TextLimits = Field(default=TextLimits(), description="how long and how loud texts may be")
    link_domains: tuple[Domain, ...] | None = Field(
        default=None, max_length=200, description="where links may go, sub-domains included, such as [acme.example]"
    )
    placeholders: tuple[PlaceholderName, ...] = Field(
        default=(), max_length=200, description="placeholders the sender fills, such as [unsubscribe_url]"
    )

"""Findings about a brand's rules: mistakes in the rules, and messages that break them.

As in `references`, documents are read as written, and only the piece that is judged is parsed: a mistake elsewhere
does not hide what is wrong here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from optimizer.errors import Finding
from optimizer.strategy.audience import Attribute
from optimizer.strategy.brand import Brand
from optimizer.strategy.brand_rules import BrandRules, BrandViolation
from optimizer.strategy.personal import PersonalCheck, as_text, declared_values
from optimizer.strategy.pieces import piece
from optimizer.strategy.texts.markup import Traced
from optimizer.strategy.texts.phrases import phrase, readings
from optimizer.strategy.yaml.source import Path, Source, dotted, shortened


def brand_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    """Words of a campaign that break the brand's rules of its strategy; none when that has no ``brand``.

    Args:
        strategy: the strategy as written.
        campaign: the campaign as written.
    """
    rules, judges_placeholders = _rules(strategy)
    channel, messages = campaign.value(("channel",)), campaign.value(("messages",))
    if rules is None or not isinstance(messages, list):
        return
    for index, message in enumerate(messages):
        path: Path = ("messages", index)
        texts = _texts(campaign, path)
        name = str(message.get("id", index)) if isinstance(message, dict) else str(index)
        found = list(rules.violations(str(channel), name, texts))
        if not _all_read(campaign, path, texts):  # what seems to be missing may stand in the one that was not
            found = [violation for violation in found if violation.rule not in ("required_part", "disclaimer")]
        if judges_placeholders:
            found += rules.placeholder_violations(name, texts)
        known = {(violation.rule, violation.field, violation.position) for violation in found}
        found += _broken_by_values(PersonalCheck(rules, str(channel), name, texts), rules.attributes, known)
        for violation in found:
            yield _placed(campaign, path, violation, texts)


def brand_section_findings(strategy: Source) -> Iterator[Finding]:
    """Mistakes in a strategy's ``brand`` that span several of its keys."""
    rules, judges_placeholders = _rules(strategy)
    if rules is None:
        return
    brand = rules.brand
    yield from _again(strategy, ("brand", "banned_phrases"), ["".join(phrase(p).words) for p in brand.banned_phrases])
    yield from _again(strategy, ("brand", "link_domains"), brand.link_domains or ())
    yield from _again(strategy, ("brand", "placeholders"), brand.placeholders)
    for index, name in enumerate(brand.placeholders):
        if name in rules.attributes:
            allowed = "the sender's own placeholders: an attribute of the strategy needs no entry here"
            yield strategy.finding(("brand", "placeholders", index), allowed)
    demanded: list[tuple[Path, str]] = [
        (("brand", "required", channel, index), part)
        for channel, parts in brand.required.items()
        for index, part in enumerate(parts)
    ]
    for path, part in demanded:
        for violation in rules.placeholder_violations("", {"part": part}) if judges_placeholders else ():
            if not violation.mend.startswith("a fallback"):
                yield strategy.finding(path, violation.mend, found=violation.found)
    demanded += [
        (("brand", "requires_disclaimer", index, "then"), disclaimer.then)
        for index, disclaimer in enumerate(brand.requires_disclaimer)
    ]
    for path, part in demanded:
        for banned in brand.banned_phrases:
            if phrase(banned).found_in(readings(Traced.of(part))):
                yield strategy.finding(path, f'words without "{shortened(banned)}", which is a banned phrase')


def _again(strategy: Source, path: Path, said: Sequence[str]) -> Iterator[Finding]:
    """Findings for items that say what an earlier one does, however they are written."""
    first: dict[str, int] = {}
    for index, text in enumerate(said):
        if first.setdefault(text, index) != index:
            line = strategy.values[(*path, first[text])].line
            yield strategy.finding((*path, index), f"each one once, however it is written (first on line {line})")


def _rules(strategy: Source) -> tuple[BrandRules | None, bool]:
    """The rules that can be read, and whether all names of placeholders are among them; None without a brand."""
    written = strategy.value(("brand",))
    if not isinstance(written, dict):
        return None, False
    usable = {key: value for key, value in written.items() if _is_valid(strategy, ("brand", key), {key: value})}
    declared = strategy.value(("attributes",))
    attributes = {
        name: piece(Attribute, strategy, ("attributes", name))
        for name in (declared if isinstance(declared, dict) else ())
    }
    known = {name: attribute for name, attribute in attributes.items() if attribute is not None}
    is_whole = len(known) == len(attributes) and ("placeholders" in usable) == ("placeholders" in written)
    return BrandRules(Brand.model_validate(usable), known), is_whole


def _is_valid(strategy: Source, path: Path, section: Mapping[str, object]) -> bool:
    if strategy.is_broken(path):
        return False
    try:
        Brand.model_validate(section)
    except ValidationError:
        return False
    return True


def _texts(campaign: Source, message: Path) -> dict[str, str]:
    """The texts of a message that can be read, by field."""
    fields = campaign.value((*message, "fields"))
    names = ("subject", "body", *(f"fields.{name}" for name in (fields if isinstance(fields, dict) else ())))
    written = {name: campaign.value(_path(message, name)) for name in names}
    return {
        name: text
        for name, text in written.items()
        if isinstance(text, str) and not campaign.is_broken(_path(message, name))
    }


def _all_read(campaign: Source, message: Path, texts: Mapping[str, str]) -> bool:
    """Whether every text a message has could be read."""
    fields = campaign.value((*message, "fields"))
    written = [name for name in ("subject", "body") if (*message, name) in campaign.keys]
    written += [f"fields.{name}" for name in (fields if isinstance(fields, dict) else ())]
    return all(name in texts for name in written)


def _path(message: Path, field: str) -> Path:
    return (*message, *field.split(".", 1))


def _broken_by_values(
    check: PersonalCheck, attributes: Mapping[str, Attribute], known: Collection[tuple[str, str, int]]
) -> Iterator[BrandViolation]:
    """Each further rule that a declared value breaks, with the first value that does."""
    seen = set(known)
    for name in check.attribute_names:
        for value in declared_values(attributes[name]) or ():
            violation = check.broken({name: value})
            if violation and (violation.rule, violation.field, violation.position) not in seen:
                seen.add((violation.rule, violation.field, violation.position))
                yield replace(violation, mend=f"{violation.mend} (when {name} is {shortened(as_text(value))})")


def _placed(campaign: Source, message: Path, violation: BrandViolation, texts: Mapping[str, str]) -> Finding:
    path = _path(message, violation.field)
    finding = campaign.finding(path, violation.mend, found=violation.found or "nothing")
    finding = replace(finding, key=dotted(path))
    if not violation.position:
        return finding
    line, column = _position(campaign, path, texts[violation.field], violation.position - 1)
    return replace(finding, line=line, column=column, allowed=f"{violation.mend} (at character {violation.position})")


def _position(campaign: Source, path: Path, text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character of a text; of its beginning where folding or escapes hide them."""
    place = campaign.values[path]
    written = campaign.text[place.start : place.end]
    if written.startswith("|"):
        n_before = text.count("\n", 0, offset)
        start = text.rfind("\n", 0, offset) + 1
        shown = text[start:].partition("\n")[0]
        lines = campaign.text[place.start :].split("\n", n_before + 2)
        indented = lines[n_before + 1].rstrip("\r") if len(lines) > n_before + 1 else ""
        if indented.endswith(shown):
            return place.line + 1 + n_before, len(indented) - len(shown) + offset - start + 1
    elif "\n" not in written and text in written:
        return place.line, place.column + written.index(text) + offset
    return place.line, place.column

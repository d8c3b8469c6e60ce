from collections.abc import Callable

import pytest

from optimizer.strategy.variants import control_variant, variants
from optimizer.strategy.workspace import Workspace

Read = Callable[..., Workspace]


def hashes(workspace: Workspace) -> dict[str, str]:
    return {v.variant_id: v.content_hash for v in variants(workspace.campaigns["winback"])}


def test_variants_are_messages_times_targetings_in_document_order(read: Read) -> None:
    campaign = read().campaigns["winback"]
    assert [v.variant_id for v in variants(campaign)] == [
        "ten-percent:morning",
        "ten-percent:evening",
        "new-arrivals:morning",
        "new-arrivals:evening",
    ]
    third = variants(campaign)[2]
    assert third.message is campaign.messages[1]
    assert third.targeting is not None
    assert third.targeting.id == "morning"


def test_without_targetings_a_variant_is_a_message(read: Read, campaign_text: str) -> None:
    start, end = campaign_text.index("targetings:"), campaign_text.index("segments:\n")
    campaign = read(campaign=((campaign_text[start:end], "control: {message: ten-percent}\n"),)).campaigns["winback"]
    assert [(v.variant_id, v.targeting) for v in variants(campaign)] == [
        ("ten-percent", None),
        ("new-arrivals", None),
    ]
    assert control_variant(campaign) == "ten-percent"


def test_the_control_variant_is_one_of_the_variants(read: Read) -> None:
    campaign = read().campaigns["winback"]
    assert control_variant(campaign) == "new-arrivals:morning"
    assert control_variant(campaign) in hashes(read())
    nothing = read(campaign=(("control: {message: new-arrivals, targeting: morning}", "control: nothing"),))
    assert control_variant(nothing.campaigns["winback"]) is None


def test_hashes_never_change_between_releases(read: Read) -> None:
    # An approval is tied to this hash, and so is everything an arm has learned: another algorithm would lose both.
    assert hashes(read()) == PINNED


PINNED = {
    "ten-percent:morning": "6b0baab558293ca332e8e979798c5b0f",
    "ten-percent:evening": "7b6678e43ab485b57a0e2cdbcedd343b",
    "new-arrivals:morning": "162ff79c41b8392a5551ebffa58e27ca",
    "new-arrivals:evening": "69d29bdf5092be3f773f9d03a415f156",
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("notes: legal said yes", "notes: legal said no"),
        ("notes: after work", "notes: later"),
        ("why: Bring people back", "why: Money"),
        ("- id: loyal", "- id: faithful"),
        ("cap: 0.9", "cap: 0.8"),
        ("[lapsed, everyone-else]", "[everyone-else, lapsed]"),
        ("    subject: See what is new", "    subject: 'See what is new'"),
    ],
)
def test_what_recipients_never_notice_keeps_every_hash(read: Read, old: str, new: str) -> None:
    assert hashes(read(campaign=((old, new),))) == hashes(read())


@pytest.mark.parametrize(
    ("old", "new", "touched"),
    [
        ("channel: email", "channel: sms", {"ten-percent", "new-arrivals", "morning", "evening"}),
        ("We saved you 10%", "We saved you 11%", {"ten-percent"}),
        ("Hi {{first_name|there}}", "Hi", {"ten-percent"}),
        ("hero.png", "hero2.png", {"new-arrivals"}),
        ("{image: hero.png}", "{picture: hero.png}", {"new-arrivals"}),
        ("08:00-11:00", "08:00-12:00", {"morning"}),
        ("[lapsed, everyone-else]", "[lapsed]", {"evening"}),
    ],
)
def test_what_recipients_notice_changes_the_hashes_it_touches(
    read: Read, old: str, new: str, touched: set[str]
) -> None:
    before, after = hashes(read()), hashes(read(campaign=((old, new),)))
    for variant_id in before:
        assert (before[variant_id] != after[variant_id]) == bool(touched & set(variant_id.split(":")))


def test_words_do_not_move_between_keys_unnoticed(read: Read) -> None:
    as_subject = hashes(read(campaign=(("subject: See what is new", "subject: x"),)))
    as_body = hashes(read(campaign=(("subject: See what is new", "body: x"),)))
    assert as_subject["new-arrivals:morning"] != as_body["new-arrivals:morning"]

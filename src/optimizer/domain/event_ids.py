"""Event ids for events whose reporter gives them ids of its own, of any length and alphabet."""

from hashlib import blake2b


def event_id_of(source: str, *parts: str) -> str:
    """Our id of somebody's event: the same event always has the same, and no two have one.

    Args:
        source: who numbers these events, such as ``sendgrid``; at most 31 characters of ``[A-Za-z0-9._-]``.
        parts: what tells one event of that source from all others, such as its message id and kind.

    Returns:
        ``source:`` and 32 hexadecimal characters.
    """
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return f"{source}:{digest.hexdigest()}"

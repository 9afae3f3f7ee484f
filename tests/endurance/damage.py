"""Ways in which the content of a file can be damaged."""

import random
import re


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def _insert(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.randbytes(rng.choice([1, 3, 50]))


def _delete(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice([1, 1, 5, 100])]


def _duplicate(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    part = content[at : at + rng.choice([1, 20, 200])]
    where = rng.randrange(len(content))
    content[where:where] = part * rng.choice([1, 1, 50])


def _overwrite(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])


def _nulls(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at : at + 1] = bytes(rng.choice([1, 64]))


def _no_utf8(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at:at] = rng.choice([b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\xa0"])


def _lines(content: bytearray, rng: random.Random) -> None:
    lines = content.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    act = rng.randrange(4)
    if act == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif act == 1:
        lines.insert(b, lines[a])
    elif act == 2:
        del lines[a]
    else:  # two become one
        lines[a] = lines[a] + lines[b]
    content[:] = b"\n".join(lines)


NUMBERS = [
    b"0", b"-1", b"1e999", b"-1e-999", b"99999999999999999999", b"NaN", b".inf", b"1e30", b"2147483648", b"0x10",
    b"1_0", b"true", b"null", b"[]", b"{}", b"''", b"9" * 5000,
]  # fmt: skip


def _matches(pattern: bytes, content: bytearray, rng: random.Random) -> list[re.Match[bytes]]:
    """Where a pattern is, within a few pages of the content."""
    start = rng.randrange(max(1, len(content) - 4096))
    return list(re.compile(pattern).finditer(bytes(content), start, start + 4096))


def _number(content: bytearray, rng: random.Random) -> None:
    numbers = _matches(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?", content, rng)
    if numbers:
        number = rng.choice(numbers)
        content[number.start() : number.end()] = rng.choice(NUMBERS)


def _word(content: bytearray, rng: random.Random) -> None:
    words = _matches(rb"\w+", content, rng)
    if len(words) > 1:
        word, other = rng.choice(words), rng.choice(words)
        content[word.start() : word.end()] = other[0]


def _empty(content: bytearray, rng: random.Random) -> None:
    content.clear()


def _nest(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.choice([b"[", b"{", b"(", b'{"a":', b"- ", b"&a [*a,"]) * rng.choice([3, 3000])


MUTATIONS = (
    _flip, _flip, _flip, _truncate, _insert, _delete, _delete, _duplicate, _overwrite, _nulls, _no_utf8, _lines, _lines,
    _number, _number, _word, _word, _nest,
)  # fmt: skip


def mutate(content: bytes, rng: random.Random) -> bytes:
    """The content, damaged in one to three ways; different from what it was."""
    changed = bytearray(content)
    while changed == content:
        changed[:] = content
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if changed:
                rng.choice(MUTATIONS)(changed, rng)
        if rng.randrange(200) == 0:
            _empty(changed, rng)
    return bytes(changed)

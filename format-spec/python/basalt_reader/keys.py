"""Keys of the tree. `key_encoding.md`."""

import base64
import decimal

from .cursor import Cursor, require, utf8
from .hashing import keyed_hash
from .tables import layout, numbers
from .values import base64_text, number_text

TAGS = numbers("key_encoding.md", "key_tags")
HASHED = layout("key_encoding.md", "hashed_key")
ESCAPES = numbers("key_encoding.md", "key_escapes")
ORDERED = numbers("key_encoding.md", "ordered_number")
LIMITS = numbers("key_encoding.md", "number_limits")


def read_hashed(key, tag, types, hashed_count, secret):
    """The parts of a key behind tag and hash, one for each type; the hash is that of the first `hashed_count`."""
    head, parts = HASHED.split(key)
    require(head["tag"] == tag, f"a key has tag {head['tag']:#x}, not {tag:#x}")
    cursor, values = Cursor(parts, "a key"), []
    for place, kind in enumerate(types):
        values.append(read_part(cursor, kind))
        if place + 1 == hashed_count:
            hashed = parts[: cursor.at]
    cursor.finish()
    require(keyed_hash(hashed, secret) == head["hash"], f"the hash of key {key.hex()} is not that of its parts")
    return head["hash"], values


def encode_hashed(tag, values, hashed_count, secret):
    """The key of typed values; `read_hashed` the other way."""
    parts = [encode_part(value) for value in values]
    digest = keyed_hash(b"".join(parts[:hashed_count]), secret)
    return bytes([tag]) + digest.to_bytes(8, "big") + b"".join(parts)


def read_part(cursor, kind):
    if kind == "N":
        return {"N": number_text(_read_ordered(cursor))}
    raw = bytearray()
    while True:
        byte = cursor.u8()
        if byte == ESCAPES["ESCAPE"]:
            escaped = cursor.u8()
            if escaped == ESCAPES["ESCAPED_END"]:
                return {"S": utf8(raw, "a key's text")} if kind == "S" else {"B": base64_text(bytes(raw))}
            require(escaped == ESCAPES["ESCAPED_ZERO"], "a key has an unknown escape")
        raw.append(byte)


def encode_part(value):
    (kind, content), = value.items()
    if kind == "N":
        return _encode_ordered(decimal.Decimal(content))
    raw = content.encode() if kind == "S" else base64.b64decode(content)
    escaped = raw.replace(b"\0", bytes([ESCAPES["ESCAPE"], ESCAPES["ESCAPED_ZERO"]]))
    return escaped + bytes([ESCAPES["ESCAPE"], ESCAPES["ESCAPED_END"]])


def _read_ordered(cursor):
    sign = cursor.u8()
    if sign == ORDERED["ORDERED_ZERO"]:
        return decimal.Decimal(0)
    negative = sign == ORDERED["ORDERED_NEGATIVE"]
    require(negative or sign == ORDERED["ORDERED_POSITIVE"], "a number in a key has no sign")
    flip = 0xFF if negative else 0
    magnitude = (cursor.u8() ^ flip) - LIMITS["MAGNITUDE_BIAS"]
    require(magnitude <= LIMITS["MAGNITUDE_MAX"], "a number in a key is out of range")
    pairs, goes_on = [], True
    while goes_on:
        byte = cursor.u8() ^ flip
        goes_on = bool(byte & 1)
        pairs.append(byte >> 1)
        require(pairs[-1] < 100 and len(pairs) <= 19, "a number in a key has impossible digits")
    require(pairs[0] >= 10 and pairs[-1] != 0, "a number in a key is not in its shortest form")
    digits = "".join(f"{pair:02d}" for pair in pairs).rstrip("0")
    number = decimal.Decimal((int(negative), tuple(map(int, digits)), magnitude - len(digits) + 1))
    return number


def _encode_ordered(number):
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return bytes([ORDERED["ORDERED_ZERO"]])
    magnitude = exponent + len(text) - 1
    text = text.rstrip("0")
    text += "0" * (len(text) % 2)
    pairs = [int(text[at : at + 2]) for at in range(0, len(text), 2)]
    raw = [magnitude + LIMITS["MAGNITUDE_BIAS"], *(2 * pair + 1 for pair in pairs[:-1]), 2 * pairs[-1]]
    flip = 0xFF if sign else 0
    head = ORDERED["ORDERED_NEGATIVE"] if sign else ORDERED["ORDERED_POSITIVE"]
    return bytes([head, *(byte ^ flip for byte in raw)])

"""Items, as DynamoDB's JSON. `item_encoding.md`, and the numbers of `key_encoding.md`."""

import base64
import decimal

from .cursor import Cursor, require, utf8
from .tables import numbers

LIMITS = numbers("item_encoding.md", "item_limits")
TAGS = numbers("item_encoding.md", "value_tags")
COMPACT = numbers("item_encoding.md", "compact_number")
NUMBER = numbers("key_encoding.md", "number_limits")
EXACT = decimal.Context(prec=200, Emax=999, Emin=-999)


def read_item(raw):
    """An encoded item as a dictionary of typed values."""
    require(raw[:1] == bytes([LIMITS["VERSION"]]), "an item has another version")
    return _map(raw[1:], 0)


def _entries(raw, what):
    """The entries of a container that fills `raw`."""
    cursor = Cursor(raw, what)
    header = cursor.varint()
    count, code = header >> 2, header & 3
    require(code < 3, f"{what} has an unknown width")
    width = 1 << code
    require(count * width <= len(raw), f"{what} has more entries than bytes")
    ends = [int.from_bytes(cursor.bytes(width), "little") for _ in range(count)]
    entries = cursor.rest()
    last = ends[-1] if ends else 0
    require(ends == sorted(ends) and last == len(entries), f"{what}: ends do not ascend to its end")
    narrowest = 0 if last < 1 << 8 else 1 if last < 1 << 16 else 2
    require(code == narrowest, f"{what} has wider ends than it needs")
    return [entries[start:end] for start, end in zip([0, *ends], ends)]


def _map(raw, level):
    values, before = {}, None
    for entry in _entries(raw, "a map"):
        cursor = Cursor(entry, "an entry of a map")
        name = cursor.prefixed()
        require(1 <= len(name) <= LIMITS["NAME_BYTES_MAX"], "a name has an impossible length")
        require(before is None or before < name, "names do not ascend")
        values[utf8(name, "a name")], before = _value(cursor.rest(), level + 1), name
    return values


def _value(raw, level):
    require(level <= LIMITS["NESTING_LEVELS_MAX"], "values are nested too deeply")
    cursor = Cursor(raw, "a value")
    tag, payload = cursor.u8(), cursor.rest()
    if tag in (TAGS["TAG_NULL"], TAGS["TAG_FALSE"], TAGS["TAG_TRUE"]):
        require(not payload, "a value without a payload has one")
        return {"NULL": True} if tag == TAGS["TAG_NULL"] else {"BOOL": tag == TAGS["TAG_TRUE"]}
    if tag == TAGS["TAG_NUMBER"]:
        return {"N": number_text(compact_number(payload))}
    if tag == TAGS["TAG_STRING"]:
        return {"S": utf8(payload, "a text")}
    if tag == TAGS["TAG_BINARY"]:
        return {"B": base64_text(payload)}
    if tag == TAGS["TAG_LIST"]:
        return {"L": [_value(entry, level + 1) for entry in _entries(payload, "a list")]}
    if tag == TAGS["TAG_MAP"]:
        return {"M": _map(payload, level)}
    if tag == TAGS["TAG_STRING_SET"]:
        return {"SS": _set(payload, bytes, lambda member: utf8(member, "a member"))}
    if tag == TAGS["TAG_NUMBER_SET"]:
        return {"NS": _set(payload, compact_number, lambda member: number_text(compact_number(member)))}
    require(tag == TAGS["TAG_BINARY_SET"], f"tag {tag:#x} of a value is not known")
    return {"BS": _set(payload, bytes, base64_text)}


def _set(raw, order, text):
    members = _entries(raw, "a set")
    require(members, "a set is empty")
    keys = [order(member) for member in members]
    require(all(left < right for left, right in zip(keys, keys[1:])), "members of a set do not ascend")
    return [text(member) for member in members]


def compact_number(raw):
    """A number of an item's value."""
    cursor = Cursor(raw, "a number")
    head = cursor.u8()
    mantissa_bytes = head & COMPACT["COMPACT_MANTISSA_BYTES_MASK"]
    exponent_bytes = head >> COMPACT["COMPACT_EXPONENT_BYTES_SHIFT"] & 3
    require(mantissa_bytes <= 16 and exponent_bytes < 3, "a number has an impossible head")
    exponent_raw, mantissa_raw = cursor.bytes(exponent_bytes), cursor.bytes(mantissa_bytes)
    cursor.finish()
    exponent = int.from_bytes(exponent_raw, "little", signed=True)
    mantissa = int.from_bytes(mantissa_raw, "little")
    needed = 0 if exponent == 0 else 1 if -128 <= exponent < 128 else 2
    require(exponent_bytes == needed and mantissa_raw[-1:] != b"\0", "a number is longer than it needs to be")
    negative = bool(head & COMPACT["COMPACT_NEGATIVE"])
    if mantissa == 0:
        require(exponent == 0 and not negative, "zero has another form")
    else:
        digits = len(str(mantissa))
        require(mantissa % 10 != 0 and digits <= NUMBER["DIGITS_MAX"], "a number has an impossible mantissa")
        magnitude = exponent + digits - 1
        require(-NUMBER["MAGNITUDE_BIAS"] <= magnitude <= NUMBER["MAGNITUDE_MAX"], "a number is out of range")
    return decimal.Decimal((int(negative), tuple(map(int, str(mantissa))), exponent))


def number_text(number):
    """Digits and a point, no exponent."""
    return f"{EXACT.plus(number):f}"


def base64_text(raw):
    return base64.b64encode(raw).decode("ascii")

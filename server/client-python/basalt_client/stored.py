"""Items in the form in which Basalt stores them: format-spec/spec/item_encoding.md.

Attributes are those of DynamoDB's JSON, with `bytes` for binary values, as in boto3.
"""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation

VERSION = 1
NESTING_LEVELS_MAX = 32
NAME_BYTES_MAX = 65535
DIGITS_MAX = 38
MAGNITUDE_MIN = -130
MAGNITUDE_MAX = 125

TAG_NULL, TAG_FALSE, TAG_TRUE, TAG_NUMBER, TAG_STRING, TAG_BINARY = 1, 2, 3, 4, 5, 6
TAG_LIST, TAG_MAP, TAG_STRING_SET, TAG_NUMBER_SET, TAG_BINARY_SET = 7, 8, 9, 10, 11

_DIGITS = Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN)


class NoStoredForm(Exception):
    """The attributes break a rule of items; the server has the words for it."""


def encode_item(attributes):
    """The stored form of a map from names to attribute values."""
    return bytes([VERSION]) + _encode_map(attributes, 1)


def encode_value(value, level=1):
    """The stored form of one attribute value."""
    if level > NESTING_LEVELS_MAX or not isinstance(value, dict) or len(value) != 1:
        raise NoStoredForm
    (kind, content), = value.items()
    encode = _ENCODERS.get(kind)
    if encode is None:
        raise NoStoredForm
    return encode(content, level)


def decode_item(stored):
    """The attributes of a stored item."""
    if not stored or stored[0] != VERSION:
        raise ValueError("an item of another version")
    return _decode_map(stored[1:])


def decode_value(stored):
    """The attribute value of a stored one."""
    tag, payload = stored[0], stored[1:]
    if tag == TAG_STRING:
        return {"S": payload.decode()}
    if tag == TAG_NUMBER:
        return {"N": _decode_number(payload)}
    if tag == TAG_BINARY:
        return {"B": bytes(payload)}
    if tag in (TAG_FALSE, TAG_TRUE):
        return {"BOOL": tag == TAG_TRUE}
    if tag == TAG_NULL:
        return {"NULL": True}
    if tag == TAG_LIST:
        return {"L": [decode_value(entry) for entry in _entries(payload)]}
    if tag == TAG_MAP:
        return {"M": _decode_map(payload)}
    if tag == TAG_STRING_SET:
        return {"SS": [entry.decode() for entry in _entries(payload)]}
    if tag == TAG_NUMBER_SET:
        return {"NS": [_decode_number(entry) for entry in _entries(payload)]}
    if tag == TAG_BINARY_SET:
        return {"BS": [bytes(entry) for entry in _entries(payload)]}
    raise ValueError(f"tag {tag} of a value")


def varint(number):
    """Unsigned LEB128."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(data, position):
    """The number at a position, and the position behind it."""
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7


def _encode_map(attributes, level):
    if not isinstance(attributes, dict):
        raise NoStoredForm
    entries = []
    for name, value in attributes.items():
        encoded = _text(name)
        if not 1 <= len(encoded) <= NAME_BYTES_MAX:
            raise NoStoredForm
        entries.append((encoded, encode_value(value, level)))
    entries.sort(key=lambda entry: entry[0])
    return _container([varint(len(name)) + name + value for name, value in entries])


def _encode_list(elements, level):
    if not isinstance(elements, (list, tuple)):
        raise NoStoredForm
    return bytes([TAG_LIST]) + _container([encode_value(element, level + 1) for element in elements])


def _encode_set(tag, members, encode, order):
    if not isinstance(members, (list, tuple, set)) or not members:
        raise NoStoredForm
    ordered = sorted((order(member), encode(member)) for member in members)
    encoded = [member for _, member in ordered]
    if len(set(encoded)) != len(encoded):
        raise NoStoredForm
    return bytes([tag]) + _container(encoded)


def _container(entries):
    """Header, table of ends, entries; ends as narrow as they can be."""
    body = b"".join(entries)
    code = 0 if len(body) < 1 << 8 else 1 if len(body) < 1 << 16 else 2
    ends, end = bytearray(), 0
    for entry in entries:
        end += len(entry)
        ends += end.to_bytes(1 << code, "little")
    return varint(len(entries) << 2 | code) + bytes(ends) + body


def _entries(container):
    header, start = read_varint(container, 0)
    count, width = header >> 2, 1 << (header & 3)
    body = start + count * width
    entries, begin = [], body
    for index in range(count):
        place = start + index * width
        end = body + int.from_bytes(container[place:place + width], "little")
        entries.append(container[begin:end])
        begin = end
    if begin != len(container):
        raise ValueError("a container ends where its last entry does not")
    return entries


def _decode_map(container):
    attributes = {}
    for entry in _entries(container):
        length, start = read_varint(entry, 0)
        attributes[entry[start:start + length].decode()] = decode_value(entry[start + length:])
    return attributes


def _number(text):
    """Sign, mantissa and exponent of a number, in the one form that it has."""
    # Only what DynamoDB reads: digits with a point and an exponent, nothing that Decimal alone knows.
    if not isinstance(text, str) or not text or any(character not in "0123456789+-.eE" for character in text):
        raise NoStoredForm
    try:
        sign, digits, exponent = _DIGITS.create_decimal(text).as_tuple()
    except InvalidOperation as error:
        raise NoStoredForm from error
    mantissa = int("".join(map(str, digits)))
    if mantissa == 0:
        return 0, 0, 0
    while mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    length = len(str(mantissa))
    if length > DIGITS_MAX or not MAGNITUDE_MIN <= exponent + length - 1 <= MAGNITUDE_MAX:
        raise NoStoredForm
    return sign, mantissa, exponent


def _encode_number(text):
    sign, mantissa, exponent = _number(text)
    width = 0 if exponent == 0 else 1 if -128 <= exponent <= 127 else 2
    length = (mantissa.bit_length() + 7) // 8
    head = length | width << 5 | sign << 7
    return bytes([head]) + exponent.to_bytes(width, "little", signed=True) + mantissa.to_bytes(length, "little")


def _decode_number(encoded):
    head = encoded[0]
    width = head >> 5 & 3
    exponent = int.from_bytes(encoded[1:1 + width], "little", signed=True)
    mantissa = int.from_bytes(encoded[1 + width:], "little")
    return ("-" if head & 0x80 else "") + _plain(str(mantissa), exponent)


def _plain(digits, exponent):
    """A number without an exponent, as DynamoDB prints it."""
    if exponent >= 0:
        return digits + "0" * exponent
    whole = digits[:exponent] or "0"
    return whole + "." + digits[exponent:].rjust(-exponent, "0")


def _order_of_number(text):
    sign, mantissa, exponent = _number(text)
    return Decimal((sign, tuple(map(int, str(mantissa))), exponent))


def _text(text):
    if not isinstance(text, str):
        raise NoStoredForm
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NoStoredForm from error


def _binary(content):
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise NoStoredForm
    return bytes(content)


def _encode_truth(content):
    if not isinstance(content, bool):
        raise NoStoredForm
    return bytes([TAG_TRUE if content else TAG_FALSE])


def _encode_null(content):
    if content is not True:
        raise NoStoredForm
    return bytes([TAG_NULL])


_ENCODERS = {
    "S": lambda content, level: bytes([TAG_STRING]) + _text(content),
    "N": lambda content, level: bytes([TAG_NUMBER]) + _encode_number(content),
    "B": lambda content, level: bytes([TAG_BINARY]) + _binary(content),
    "BOOL": lambda content, level: _encode_truth(content),
    "NULL": lambda content, level: _encode_null(content),
    "L": _encode_list,
    "M": lambda content, level: bytes([TAG_MAP]) + _encode_map(content, level + 1),
    "SS": lambda content, level: _encode_set(TAG_STRING_SET, content, _text, _text),
    "NS": lambda content, level: _encode_set(TAG_NUMBER_SET, content, _encode_number, _order_of_number),
    "BS": lambda content, level: _encode_set(TAG_BINARY_SET, content, _binary, _binary),
}

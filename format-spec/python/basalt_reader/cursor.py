"""Walking over bytes that may be anything."""

VARINT_BYTES_MAX = 10


class Damage(Exception):
    """Bytes that no writer of this version writes, or that contradict others."""


class Cursor:
    """Bytes, read from front to back. Every value has one form."""

    def __init__(self, raw, what):
        self.raw, self.what, self.at = raw, what, 0

    def bytes(self, count):
        taken = self.raw[self.at : self.at + count]
        if len(taken) < count:
            raise Damage(f"{self.what} ends after {len(self.raw)} bytes, in the middle of a field")
        self.at += count
        return taken

    def u8(self):
        return self.bytes(1)[0]

    def u32(self):
        return int.from_bytes(self.bytes(4), "little")

    def u64(self):
        return int.from_bytes(self.bytes(8), "little")

    def varint(self):
        value = 0
        for group in range(VARINT_BYTES_MAX):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * group)
            if not byte & 0x80:
                if (byte == 0 and group > 0) or value >= 1 << 64:
                    break
                return value
        raise Damage(f"{self.what}: a varint is not in its shortest form")

    def prefixed(self):
        return self.bytes(self.varint())

    def text(self):
        return utf8(self.prefixed(), self.what)

    def rest(self):
        return self.bytes(len(self.raw) - self.at)

    def is_done(self):
        return self.at == len(self.raw)

    def finish(self):
        if not self.is_done():
            raise Damage(f"{self.what}: {len(self.raw) - self.at} bytes stand behind its end")


def utf8(raw, what):
    try:
        return bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise Damage(f"{what} is not UTF-8") from None


def require(holds, message):
    """Raises `Damage` unless the rule holds."""
    if not holds:
        raise Damage(message)


def require_zeros(raw, what):
    require(not any(raw), f"{what} is not followed by zeros")

"""The hash of partition keys: XXH3-64 with a secret of its own, which the `xxhash` package does not offer."""

import functools

import xxhash

MASK = (1 << 64) - 1
PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
PRIME64 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
PRIME_MX1 = 0x165667919E3779F9
PRIME_MX2 = 0x9FB21C651E98DF25
SECRET_SIZE_MIN = 136
STRIPE_BYTES = 64


@functools.lru_cache(maxsize=1024)
def secret_of(kept):
    """The 192 bytes that are made of the 16 which a table keeps."""
    return b"".join(xxhash.xxh3_128_intdigest(kept, seed=i).to_bytes(16, "little") for i in range(12))


def keyed_hash(data, kept):
    """The hash of a partition key's encoded parts."""
    secret = secret_of(kept)
    for longest, function in ((16, _short), (128, _medium), (240, _longer)):
        if len(data) <= longest:
            return function(data, secret)
    return _long(data, secret)


def _short(data, secret):
    length = len(data)
    if length > 8:
        low = _u64(data, 0) ^ _u64(secret, 24) ^ _u64(secret, 32)
        high = _u64(data, length - 8) ^ _u64(secret, 40) ^ _u64(secret, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche((length + swapped + high + _fold(low, high)) & MASK)
    if length >= 4:
        value = _u32(data, length - 4) + (_u32(data, 0) << 32)
        value ^= _u64(secret, 8) ^ _u64(secret, 16)
        value ^= _rotate(value, 49) ^ _rotate(value, 24)
        value = value * PRIME_MX2 & MASK
        value ^= (value >> 35) + length
        value = value * PRIME_MX2 & MASK
        return value ^ (value >> 28)
    if length > 0:
        combined = data[0] << 16 | data[length >> 1] << 24 | data[length - 1] | length << 8
        return _avalanche64(combined ^ _u32(secret, 0) ^ _u32(secret, 4))
    return _avalanche64(_u64(secret, 56) ^ _u64(secret, 64))


def _medium(data, secret):
    length = len(data)
    total = length * PRIME64[0]
    for step in range((length - 1) // 32, -1, -1):
        total += _mix(data, 16 * step, secret, 32 * step)
        total += _mix(data, length - 16 * (step + 1), secret, 32 * step + 16)
    return _avalanche(total & MASK)


def _longer(data, secret):
    length = len(data)
    total = length * PRIME64[0] + sum(_mix(data, 16 * i, secret, 16 * i) for i in range(8))
    total = _avalanche(total & MASK)
    total += sum(_mix(data, 16 * i, secret, 16 * (i - 8) + 3) for i in range(8, length // 16))
    total += _mix(data, length - 16, secret, SECRET_SIZE_MIN - 17)
    return _avalanche(total & MASK)


def _long(data, secret):
    lanes = [PRIME32[2], *PRIME64[:4], PRIME32[1], PRIME64[4], PRIME32[0]]
    stripes = (len(secret) - STRIPE_BYTES) // 8
    last_secret = len(secret) - STRIPE_BYTES
    blocks, rest = divmod(len(data) - 1, STRIPE_BYTES * stripes)
    for block in range(blocks):
        for stripe in range(stripes):
            _accumulate(lanes, data, STRIPE_BYTES * (block * stripes + stripe), secret, 8 * stripe)
        for i in range(8):
            scrambled = lanes[i] ^ (lanes[i] >> 47) ^ _u64(secret, last_secret + 8 * i)
            lanes[i] = scrambled * PRIME32[0] & MASK
    for stripe in range(rest // STRIPE_BYTES):
        _accumulate(lanes, data, STRIPE_BYTES * (blocks * stripes + stripe), secret, 8 * stripe)
    _accumulate(lanes, data, len(data) - STRIPE_BYTES, secret, last_secret - 7)
    total = len(data) * PRIME64[0]
    for i in range(4):
        total += _fold(lanes[2 * i] ^ _u64(secret, 11 + 16 * i), lanes[2 * i + 1] ^ _u64(secret, 19 + 16 * i))
    return _avalanche(total & MASK)


def _accumulate(lanes, data, at, secret, secret_at):
    for i in range(8):
        value = _u64(data, at + 8 * i)
        keyed = value ^ _u64(secret, secret_at + 8 * i)
        lanes[i ^ 1] = (lanes[i ^ 1] + value) & MASK
        lanes[i] = (lanes[i] + (keyed & 0xFFFFFFFF) * (keyed >> 32)) & MASK


def _mix(data, at, secret, secret_at):
    return _fold(_u64(data, at) ^ _u64(secret, secret_at), _u64(data, at + 8) ^ _u64(secret, secret_at + 8))


def _fold(left, right):
    product = left * right
    return (product & MASK) ^ (product >> 64)


def _avalanche(value):
    value ^= value >> 37
    value = value * PRIME_MX1 & MASK
    return value ^ (value >> 32)


def _avalanche64(value):
    value ^= value >> 33
    value = value * PRIME64[1] & MASK
    value ^= value >> 29
    value = value * PRIME64[2] & MASK
    return value ^ (value >> 32)


def _rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def _u32(data, at):
    return int.from_bytes(data[at : at + 4], "little")


def _u64(data, at):
    return int.from_bytes(data[at : at + 8], "little")

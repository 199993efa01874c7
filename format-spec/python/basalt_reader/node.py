"""NODE: what the directory is. `data_directory.md`."""

import xxhash

from .cursor import Damage, require, require_zeros
from .tables import layout

COPY_BYTES = 4 * 4096
MAGIC = b"BSLTNODE"
HASH_BYTES = 8
STREAMS_MAX = 512
HEAD = layout("data_directory.md", "node")
STREAM = layout("data_directory.md", "node_stream")


def read_node(directory):
    """The copy that counts: the valid one with the higher revision."""
    raw = (directory / "NODE").read_bytes()
    require(len(raw) == 2 * COPY_BYTES, f"NODE has {len(raw)} bytes")
    copies, reasons = [], []
    for half in (0, 1):
        try:
            copy = _read_copy(raw[half * COPY_BYTES : (half + 1) * COPY_BYTES])
            require(copy["revision"] % 2 == half, "a copy of NODE stands in the wrong half")
            copies.append(copy)
        except Damage as damage:
            reasons.append(str(damage))
    require(copies, f"both copies of NODE are damaged: {reasons}")
    node = max(copies, key=lambda copy: copy["revision"])
    features = node["features_incompatible"]
    require(features == 0, f"NODE has features {features:#x}, which this reader does not know")
    return node


def _read_copy(raw):
    require(raw[:8] == MAGIC, "NODE does not begin with its magic")
    node, streams = HEAD.split(raw)
    require(node["version"] == 1, f"NODE has version {node['version']}")
    length = node["length"]
    count = node["stream_count"]
    require(count <= STREAMS_MAX, f"NODE has {count} streams")
    require(length == HEAD.size + count * STREAM.size + HASH_BYTES, f"NODE's length is {length}")
    hashed = raw[: length - HASH_BYTES]
    stored = int.from_bytes(raw[length - HASH_BYTES : length], "little")
    seed = int.from_bytes(MAGIC, "little")
    require(xxhash.xxh3_64_intdigest(hashed, seed=seed) == stored, "NODE's hash does not hold")
    require_zeros(raw[length:], "NODE")
    node["streams"] = [STREAM.read(streams[at * STREAM.size :]) for at in range(count)]
    order = [stream["stream"] for stream in node["streams"]]
    require(order == sorted(set(order)), "NODE's streams do not ascend")
    require(all(stream["flags"] in (0, 1) for stream in node["streams"]), "NODE has a stream with other flags")
    return node

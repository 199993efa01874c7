"""The write-ahead log: one stream, judged and read. `wal.md`."""

import zlib

import xxhash

from .cursor import Cursor, Damage, require, require_zeros
from .tables import layout, names, one_of

BLOCK = 4096
FRAME_BYTES_MAX = (64 << 20) + 2 * BLOCK
UNSYNCED_FRAMES_MAX = 2
KEY_BYTES_MAX = 32768
SEGMENT = layout("wal.md", "segment_header")
FRAME = layout("wal.md", "frame_header")
RECORD = layout("wal.md", "record_header")
RECORD_KINDS = names("wal.md", "record_kinds")
EFFECT_KINDS = names("wal.md", "effect_kinds")
SEGMENT_MAGIC, FRAME_MAGIC = b"BSLTWALS", b"BSLTFRAM"


class Segment:
    """One file of a stream that has a header."""

    def __init__(self, path, raw, header):
        self.path, self.raw, self.header = path, raw, header
        require(len(raw) == header["size_bytes"], f"{path} has {len(raw)} bytes, and its header says otherwise")


class Stream:
    """One stream of a directory: its records, from the first that may be needed to the end."""

    def __init__(self, directory, node, known):
        self.number, self.node, self.known = known["stream"], node, known
        self.name = f"log stream {self.number}"
        self.records = []
        self.needed_lsn, self.end, self.sequence, self.hash = 0, known["end_lsn"], 0, 0
        self.headless = []
        segments = self._survey(directory / "wal" / str(self.number))
        chain, begun = self._chain(segments)
        self._read(chain)
        self._refuse_if_lost(chain)
        self._refuse_if_contradicted(segments, chain, begun)

    def _survey(self, folder):
        segments = []
        for path in sorted(folder.glob("*.wal")) if folder.exists() else []:
            raw = path.read_bytes()
            require(len(raw) >= 2 * BLOCK and len(raw) % BLOCK == 0, f"{path} is too short to be a segment")
            header = self._header(raw)
            if header is None:
                self.headless.append((path, raw))
            elif not (self.known["flags"] and header["base_lsn"] < self.known["end_lsn"]):
                segments.append(Segment(path, raw, header))
        segments.sort(key=lambda segment: segment.header["sequence"])
        sequences = [segment.header["sequence"] for segment in segments]
        require(len(set(sequences)) == len(sequences), f"{self.name}: two files are one segment")
        return segments

    def _header(self, raw):
        """The header in block 0 or its repetition in the first frame, whichever is newer."""
        found = [read_segment_header(raw[:BLOCK])]
        frame = self._frame_header(raw, BLOCK)
        if frame is not None and frame["flags"] == 1:
            copy = raw[BLOCK + FRAME.size : BLOCK + FRAME.size + SEGMENT.size]
            header = read_segment_header(copy.ljust(BLOCK, b"\0"))
            if header is not None and self._payload(raw, BLOCK, frame, header["salt"]) is not None:
                found.append(header)
        found = [header for header in found if header is not None]
        for header in found:
            require(header["version"] == 1, f"{self.name}: a segment has version {header['version']}")
            foreign = (
                header["cluster_uuid"] != self.node["cluster_uuid"]
                or header["node_id"] != self.node["node_id"]
                or header["stream"] != self.number
            )
            require(not foreign, f"{self.name}: a segment is of another node or stream")
        return max(found, key=lambda header: header["sequence"], default=None)

    def _frame_header(self, raw, at):
        """The header of the frame that stands at an offset, if there is one."""
        if raw[at : at + 8] != FRAME_MAGIC or len(raw) - at < FRAME.size:
            return None
        header_bytes = raw[at : at + FRAME.size]
        try:
            header = FRAME.read(header_bytes)
        except Damage:
            return None
        hash_at = FRAME.offset("frame_hash")
        zeroed = header_bytes[:hash_at] + bytes(8) + header_bytes[hash_at + 8 :]
        holds = xxhash.xxh3_64_intdigest(zeroed, seed=self.node["log_salt"]) == header["frame_hash"]
        right = header["stream"] == self.number and header["flags"] in (0, 1) and header["key_epoch"] == 0
        ordered = header["needed_lsn"] <= header["durable_lsn"] <= header["lsn"]
        return header if holds and right and ordered else None

    def _payload(self, raw, at, frame, salt):
        """The payload of the frame at an offset, if it is whole."""
        start = at + FRAME.size
        payload = raw[start : start + frame["payload_bytes"]]
        end = at + frame_bytes(frame)
        whole = end <= len(raw) and end - at <= FRAME_BYTES_MAX
        if not whole or xxhash.xxh3_64_intdigest(payload, seed=salt) != frame["payload_hash"]:
            return None
        return payload if not any(raw[start + len(payload) : end]) else None

    def _chain(self, segments):
        """The segments from the oldest that may be needed to the newest whose first frame is whole."""
        begun = []
        by_sequence = {segment.header["sequence"]: segment for segment in segments}
        newest_first = segments[::-1]
        for last in newest_first:
            first_frame = self._frame(last, BLOCK, None)
            if first_frame is not None:
                break
            begun.append(last)
        else:
            return [], begun
        chain = [last]
        while (before := by_sequence.get(chain[0].header["predecessor_sequence"])) is not None:
            if chain[0].header["predecessor_end_lsn"] <= first_frame[0]["needed_lsn"]:
                break
            chain.insert(0, before)
        return chain, begun

    def _frame(self, segment, at, before):
        """Header and payload of the frame at an offset that continues the chain behind `before`, or `None`."""
        frame = self._frame_header(segment.raw, at)
        if frame is None or frame["lsn"] != segment.header["base_lsn"] + at:
            return None
        if before is None:
            header = segment.header
            sequence, previous, opens = header["first_frame_sequence"], header["predecessor_last_frame_hash"], 1
        else:
            sequence, previous, opens = before["sequence"] + 1, before["frame_hash"], 0
        continues = (frame["sequence"], frame["previous_hash"], frame["flags"]) == (sequence, previous, opens)
        payload = self._payload(segment.raw, at, frame, segment.header["salt"]) if continues else None
        return None if payload is None else (frame, payload)

    def _read(self, chain):
        self.broken_until = chain[0].header["predecessor_end_lsn"] if chain else 0
        for place, segment in enumerate(chain):
            at, before = BLOCK, None
            while (found := self._frame(segment, at, before)) is not None:
                before, payload = found
                self._take(segment, before, payload)
                at += frame_bytes(before)
            following = chain[place + 1].header if place + 1 < len(chain) else None
            if following is not None and (
                following["predecessor_end_lsn"] != self.end or following["predecessor_last_frame_hash"] != self.hash
            ):
                self.broken_until = following["predecessor_end_lsn"]
                self.records = []

    def _take(self, segment, frame, payload):
        self.end = frame["lsn"] + frame_bytes(frame)
        self.sequence, self.hash, self.needed_lsn = frame["sequence"], frame["frame_hash"], frame["needed_lsn"]
        where = f"{segment.path}: frame at {frame['lsn']}"
        cursor = Cursor(payload, where)
        if frame["flags"] == 1:
            repeated = read_segment_header(cursor.bytes(SEGMENT.size).ljust(BLOCK, b"\0"))
            require(repeated == segment.header, f"{where} repeats another header than its segment's")
        for _ in range(frame["record_count"]):
            self.records.append(read_record(cursor, where))
        cursor.finish()

    def _refuse_if_lost(self, chain):
        require(
            self.broken_until <= self.needed_lsn,
            f"{self.name}: what it held up to {self.broken_until} is needed, and missing",
        )
        if self.known["flags"] == 0:
            lost = f"{self.name} ends at {self.end}; it was durable up to {self.known['end_lsn']}"
            require(chain and self.end >= self.known["end_lsn"], lost)

    def _refuse_if_contradicted(self, segments, chain, begun):
        """Whatever stands behind the end must be what a crash can leave there."""
        for segment in ([chain[-1]] if chain else []) + begun:
            header = segment.header
            if segment in begun:
                joins = header["predecessor_end_lsn"] == self.end and header["predecessor_last_frame_hash"] == self.hash
                require(joins or header["predecessor_end_lsn"] < self.end, f"{segment.path} follows what is missing")
            start = self.end - header["base_lsn"] if chain and segment is chain[-1] else BLOCK
            for at in range(max(start, BLOCK), len(segment.raw), BLOCK):
                self._weigh(segment.path, self._frame_header(segment.raw, at))
        for path, raw in self.headless:
            for at in range(BLOCK, len(raw), BLOCK):
                frame = self._frame_header(raw, at)
                self._weigh(path, frame)
                behind = frame is not None and frame["lsn"] >= self.end
                follows = behind and frame["sequence"] == self.sequence + 1 and frame["previous_hash"] == self.hash
                require(not behind or follows, f"{path} has a frame that follows what is missing")

    def _weigh(self, path, frame):
        if frame is None or frame["lsn"] < self.end:
            return
        require(frame["durable_lsn"] <= self.end, f"{path}: what was durable at {frame['durable_lsn']} is missing")
        follows = frame["sequence"] == self.sequence + 1 and frame["previous_hash"] == self.hash
        near = frame["sequence"] <= self.sequence + UNSYNCED_FRAMES_MAX
        require(near or follows, f"{path}: frame {frame['sequence']} was written after more than can be on its way")


def frame_bytes(frame):
    return -(-(FRAME.size + frame["payload_bytes"]) // BLOCK) * BLOCK


def read_segment_header(block):
    """The header in a block, or `None` if that is none."""
    checksum_at = SEGMENT.offset("checksum")
    if block[:8] != SEGMENT_MAGIC or any(block[SEGMENT.size :]):
        return None
    if zlib.crc32(block[:checksum_at]) != int.from_bytes(block[checksum_at : SEGMENT.size], "little"):
        return None
    try:
        header = SEGMENT.read(block)
    except Damage:
        return None
    whole = all(header[name] % BLOCK == 0 for name in ("base_lsn", "size_bytes", "predecessor_end_lsn"))
    possible = header["sequence"] >= 1 and header["first_frame_sequence"] >= 1
    ordered = header["size_bytes"] >= 2 * BLOCK and header["predecessor_end_lsn"] <= header["base_lsn"]
    return header if whole and possible and ordered else None


def read_record(cursor, where):
    start = cursor.at
    raw = cursor.raw[start:]
    record = RECORD.read(raw)
    length = record["length"]
    require(RECORD.size <= length <= len(raw), f"{where}: a record has {length} bytes")
    computed = zlib.crc32(raw[RECORD.offset("length") : length])
    require(computed == record["checksum"], f"{where}: a record's checksum does not hold")
    padded = -(-length // 8) * 8
    require_zeros(raw[length:padded], f"{where}: a record")
    cursor.bytes(padded)
    record["kind"] = one_of(RECORD_KINDS, record["kind"], f"{where}: kind of record")
    require(record["flags"] == 0, f"{where}: a record has flags")
    record["body"] = raw[RECORD.size : length]
    return record


def effects_of(body):
    """The effects of an entry, each with its kind first."""
    cursor = Cursor(body, "an entry")
    require(body, "an entry has no effect")
    while not cursor.is_done():
        kind = one_of(EFFECT_KINDS, cursor.u8(), "kind of effect")
        key = cursor.prefixed()
        require(1 <= len(key) <= KEY_BYTES_MAX, "an effect has an impossible key")
        if kind == "Put":
            yield kind, key, cursor.prefixed()
        elif kind == "Delete":
            yield kind, key, None
        elif kind == "DeleteRange":
            yield kind, key, cursor.prefixed()
        else:
            yield kind, key, _splice(cursor)


def _splice(cursor):
    base, count = cursor.u64(), cursor.varint()
    parts, end = [], -1
    for _ in range(count):
        offset, removed, inserted = cursor.varint(), cursor.varint(), cursor.prefixed()
        require(offset > end and (removed or inserted), "parts of a splice touch or are empty")
        parts.append((offset, removed, inserted))
        end = offset + removed
    require(parts, "a splice has no part")
    return base, parts

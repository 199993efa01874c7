"""Rows beside the items. `transaction.md`, `stream_record.md`, `global_index.md`, `time_to_live.md`."""

from .cursor import Cursor, require, utf8
from .tables import layout, names, numbers, one_of
from .values import read_item

TAGS = numbers("key_encoding.md", "key_tags")
PREPARED_KEY = layout("transaction.md", "prepared_key")
PREPARED_ROW = layout("transaction.md", "prepared_row")
OUTCOMES = names("transaction.md", "prepared_outcomes")
DECISION_KEY = layout("transaction.md", "decision_key")
TOKEN_KEY = layout("transaction.md", "token_key", big_endian=True)
TOKEN_ROW = layout("transaction.md", "token_row")
TOKEN_SPACES = names("transaction.md", "token_spaces")
STREAM_KEY = layout("stream_record.md", "stream_key", big_endian=True)
STREAM_LIMITS = numbers("stream_record.md", "stream_record_limits")
STREAM_RECORD = layout("stream_record.md", "stream_record")
STREAM_EVENTS = names("stream_record.md", "stream_events")
STREAM_CAUSES = names("stream_record.md", "stream_causes")
STREAM_IMAGES = numbers("stream_record.md", "stream_images")
STREAM_HORIZON = layout("stream_record.md", "stream_horizon")
OUTBOX_KEY = layout("global_index.md", "outbox_key", big_endian=True)
OUTBOX_CHANGE = layout("global_index.md", "outbox_change")
CHANGE_KINDS = numbers("global_index.md", "outbox_change_kinds")
RECEIVED_KEY = layout("global_index.md", "received_key", big_endian=True)
RECEIVED_ROW = layout("global_index.md", "received_row")
EXPIRY_KEY = layout("time_to_live.md", "time_to_live_key", big_endian=True)
COLLECTION = layout("collection_size.md", "collection_size")


def tagged(rows, name):
    """The rows with a tag, in the order of their keys."""
    tag = TAGS[name]
    return [(key, *rows[key]) for key in sorted(rows) if key[0] == tag]


def prepared_items(rows):
    """Each prepared row: transaction, item's key, ledger, outcome, item."""
    for key, value, _ in tagged(rows, "TAG_PREPARED"):
        head, item_key = PREPARED_KEY.split(key)
        require(item_key[:1] == bytes([TAGS["TAG_ITEM"]]), "a prepared row is not an item's")
        row, item = PREPARED_ROW.split(value)
        _check_version(row, "a prepared row")
        require(row["ledger"] != 0, "a prepared row has no ledger")
        outcome = one_of(OUTCOMES, row["outcome"], "outcome of a prepared row")
        require(outcome == "Put" or not item, "a prepared row has bytes behind its outcome")
        yield head["transaction"], item_key, row["ledger"], outcome, item


def decisions(rows):
    """The transactions that a partition says are committed."""
    for key, value, _ in tagged(rows, "TAG_DECISION"):
        head, rest = DECISION_KEY.split(key)
        require(not rest and value == b"\x01", "a decision has another form")
        yield head["transaction"]


def check_tokens(rows):
    for key, value, _ in tagged(rows, "TAG_TOKEN"):
        head, token = TOKEN_KEY.split(key)
        one_of(TOKEN_SPACES, head["space"], "space of a token")
        require(utf8(token, "a token"), "a token is empty")
        row, sizes = TOKEN_ROW.split(value)
        _check_version(row, "a token's row")
        cursor = Cursor(sizes, "a token's row")
        count = cursor.varint()
        require(count <= 100, "a token's transaction has more than 100 actions")
        for _ in range(count):
            cursor.varint()
        cursor.finish()


def stream_records(rows):
    """Each record that was not trimmed: stream, position, hybrid time, record."""
    horizons, parts = {}, {}
    for key, value, last_write in tagged(rows, "TAG_STREAM"):
        head, rest = STREAM_KEY.split(key)
        require(not rest, "a stream's key is too long")
        stream, entry = head["stream_number"], head["entry_index"]
        if entry == STREAM_LIMITS["HORIZON_ENTRY_INDEX"]:
            horizon, rest = STREAM_HORIZON.split(value)
            _check_version(horizon, "a stream's horizon")
            require(not rest and (head["change"], head["part"]) == (0, 0), "a horizon has another form")
            horizons[stream] = (horizon["entry_index"], horizon["change"])
            continue
        pieces = parts.setdefault((stream, entry, head["change"]), [])
        require(head["part"] == len(pieces), "a part of a stream record is missing")
        pieces.append((value, last_write))
    for (stream, entry, change), pieces in sorted(parts.items()):
        record = read_stream_record([value for value, _ in pieces])
        if (entry, change) >= horizons.get(stream, (0, 0)):
            yield stream, (entry, change), pieces[0][1], record


def read_stream_record(pieces):
    whole = all(len(piece) == STREAM_LIMITS["STREAM_PART_BYTES_MAX"] for piece in pieces[:-1])
    require(whole and len(pieces[-1]) <= STREAM_LIMITS["STREAM_PART_BYTES_MAX"], "a part of a record is cut elsewhere")
    head, images = STREAM_RECORD.split(b"".join(pieces))
    _check_version(head, "a stream record")
    require(head["part_count"] == len(pieces), "a stream record has other parts than it says")
    event = one_of(STREAM_EVENTS, head["event"], "event of a stream record")
    record = {"event": event, "cause": one_of(STREAM_CAUSES, head["cause"], "cause of a stream record")}
    bits = head["images"]
    require(bits & ~(STREAM_IMAGES["NEW_IMAGE"] | STREAM_IMAGES["OLD_IMAGE"]) == 0, "a record has unknown images")
    cursor = Cursor(images, "a stream record")
    record["keys"] = read_item(cursor.prefixed())
    for name in ("NEW_IMAGE", "OLD_IMAGE"):
        record[name.lower()] = read_item(cursor.prefixed()) if bits & STREAM_IMAGES[name] else None
    cursor.finish()
    require(event != "Insert" or record["old_image"] is None, "an insertion has an old image")
    require(event != "Remove" or record["new_image"] is None, "a removal has a new image")
    return record


def outbox_changes(rows):
    """Each change that a base partition has to tell: entry, index, row's key, row or `None`."""
    for key, value, _ in tagged(rows, "TAG_OUTBOX"):
        head, rest = OUTBOX_KEY.split(key)
        require(head["entry_index"] >= 1 and not rest, "an outbox key has another form")
        cursor = Cursor(value, "an outbox row")
        require(cursor.u8() == 1 and not cursor.is_done(), "an outbox row is empty or of another version")
        while not cursor.is_done():
            change = OUTBOX_CHANGE.read(cursor.bytes(OUTBOX_CHANGE.size))
            row_key = cursor.prefixed()
            of_index = row_key[:1] == bytes([TAGS["TAG_GLOBAL_INDEX"]]) and len(row_key) >= 9
            require(of_index, "a change is of no index row")
            is_put = change["kind"] == CHANGE_KINDS["CHANGE_PUT"]
            require(is_put or change["kind"] == CHANGE_KINDS["CHANGE_DELETE"], "a change is of an unknown kind")
            yield head["entry_index"], change["index_number"], row_key, cursor.prefixed() if is_put else None


def received(rows):
    """How far the changes of each base partition are in an index's partition."""
    entries = {}
    for key, value, _ in tagged(rows, "TAG_RECEIVED"):
        head, rest = RECEIVED_KEY.split(key)
        row, behind = RECEIVED_ROW.split(value)
        _check_version(row, "a received row")
        require(not rest and not behind and row["entry_index"] >= 1, "a received row has another form")
        entries[head["base_partition"]] = row["entry_index"]
    return entries


def expiries(rows):
    """Seconds and item's key of each expiry."""
    for key, value, _ in tagged(rows, "TAG_TIME_TO_LIVE"):
        head, item_key_tail = EXPIRY_KEY.split(key)
        require(value == b"", "an expiry has a value")
        yield head["expiry_unix_seconds"], bytes([TAGS["TAG_ITEM"]]) + item_key_tail


def collection_sizes(rows):
    """The size that each item collection is said to have, by the beginning of its items' keys."""
    for key, value, _ in tagged(rows, "TAG_COLLECTION"):
        row, rest = COLLECTION.split(value)
        _check_version(row, "a collection's size")
        require(not rest and row["size_bytes"] >= 1, "a collection's size has another form")
        yield bytes([TAGS["TAG_ITEM"]]) + key[1:], row["size_bytes"]


def _check_version(row, what):
    require(row["version"] == 1, f"{what} has version {row['version']}")

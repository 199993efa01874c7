"""Frames and the numbers in them: format-spec/spec/native_frame.md."""

import struct
import zlib

HEADER = struct.Struct("<IIBBHI")
BODY_BYTES_MAX = 16778240
FLAG_MORE, FLAG_PAGES = 1, 2
HELLO, WELCOME, PROOF, READY, REQUEST, JSON_REQUEST, CANCEL, ANSWER, ERROR, FAULT = range(1, 11)

# In the order of their numbers, from 1 on.
OPERATIONS = (
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem",
    "TransactGetItems", "TransactWriteItems", "ExecuteStatement", "BatchExecuteStatement",
    "ExecuteTransaction", "ListStreams", "DescribeStream", "GetShardIterator", "GetRecords",
)
EXCEPTIONS = (
    "AccessDeniedException", "BackupNotFoundException", "ConditionalCheckFailedException",
    "DuplicateItemException", "ExpiredIteratorException", "ExportNotFoundException",
    "GlobalTableNotFoundException", "IdempotentParameterMismatchException", "ImportNotFoundException",
    "ItemCollectionSizeLimitExceededException", "IncompleteSignatureException", "InternalServerError",
    "InvalidSignatureException", "LimitExceededException", "MissingAuthenticationTokenException",
    "PointInTimeRecoveryUnavailableException", "PolicyNotFoundException",
    "ProvisionedThroughputExceededException", "ResourceInUseException", "ResourceNotFoundException",
    "SerializationException", "ServiceUnavailable", "TableNotFoundException", "ThrottlingException",
    "TrimmedDataAccessException", "TransactionCanceledException", "TransactionConflictException",
    "TransactionInProgressException", "UnknownOperationException", "ValidationException",
)
OPERATION_NUMBERS = {name: number for number, name in enumerate(OPERATIONS, 1)}


def frame(kind, request=0, flags=0, code=0, body=b""):
    """The bytes of a frame."""
    head = struct.pack("<IIBBH", len(body), request, kind, flags, code)
    return head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body


def read_frame(read_exactly):
    """The next frame of a stream: kind, request, flags, code, body."""
    header = read_exactly(HEADER.size)
    length, request, kind, flags, code, checksum = HEADER.unpack(header)
    if length > BODY_BYTES_MAX:
        raise ValueError(f"a frame of {length} bytes")
    body = read_exactly(length)
    if zlib.crc32(body, zlib.crc32(header[:12])) != checksum:
        raise ValueError("a frame's checksum does not hold")
    return kind, request, flags, code, body


def exception_name(code):
    """The name of an exception's number."""
    return EXCEPTIONS[code - 1] if 1 <= code <= len(EXCEPTIONS) else f"exception {code}"

"""The bodies of frames: format-spec/spec/native_document.md."""

import struct

from .stored import NoStoredForm, decode_item, decode_value, encode_item, encode_value, read_varint, varint

TAG_END, TAG_FALSE, TAG_TRUE, TAG_INTEGER, TAG_DOUBLE, TAG_TEXT, TAG_ITEM, TAG_VALUE, TAG_LIST, TAG_OBJECT = range(10)
NAME_END, NAME_LITERAL, MEMBER_MIN = 0, 1, 2

# In the order of their numbers, from MEMBER_MIN on.
MEMBERS = (
    "TableName", "Key", "Item", "ExpressionAttributeValues", "ExpressionAttributeNames",
    "ConditionExpression", "UpdateExpression", "ProjectionExpression", "KeyConditionExpression",
    "FilterExpression", "ConsistentRead", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics",
    "ReturnValues", "ReturnValuesOnConditionCheckFailure", "IndexName", "Limit", "Select",
    "ScanIndexForward", "ExclusiveStartKey", "Segment", "TotalSegments", "RequestItems", "Keys",
    "PutRequest", "DeleteRequest", "TransactItems", "Get", "Put", "Update", "Delete", "ConditionCheck",
    "ClientRequestToken", "Statement", "Statements", "TransactStatements", "Parameters", "NextToken",
    "Attributes", "Items", "Count", "ScannedCount", "LastEvaluatedKey", "ConsumedCapacity", "CapacityUnits",
    "ReadCapacityUnits", "WriteCapacityUnits", "Table", "LocalSecondaryIndexes", "GlobalSecondaryIndexes",
    "ItemCollectionMetrics", "ItemCollectionKey", "SizeEstimateRangeGB", "Responses", "UnprocessedKeys",
    "UnprocessedItems", "Error", "Code", "Message", "message", "CancellationReasons", "ThrottlingReasons",
    "throttlingReasons", "reason", "resource", "AttributesToGet", "Expected", "AttributeUpdates",
    "QueryFilter", "ScanFilter", "KeyConditions", "ConditionalOperator", "AttributeValueList",
    "ComparisonOperator", "Value", "Exists", "Action", "StreamArn", "ShardId", "ShardIteratorType",
    "SequenceNumber", "Timestamp", "ShardIterator", "NextShardIterator", "Records", "eventID", "eventName",
    "eventVersion", "eventSource", "awsRegion", "dynamodb", "userIdentity", "type", "principalId",
    "ApproximateCreationDateTime", "NewImage", "OldImage", "SizeBytes", "StreamViewType", "Streams",
    "StreamLabel", "LastEvaluatedStreamArn", "ExclusiveStartStreamArn", "ExclusiveStartShardId",
    "LastEvaluatedShardId", "StreamDescription", "StreamStatus", "CreationRequestDateTime", "KeySchema",
    "AttributeName", "KeyType", "Shards", "ParentShardId", "SequenceNumberRange", "StartingSequenceNumber",
    "EndingSequenceNumber", "ShardFilter", "Type",
)
NUMBERS = {name: number for number, name in enumerate(MEMBERS, MEMBER_MIN)}

# What JSON has in these is a map of attributes, one attribute value, or an object whose names are the client's own.
HOLDS_ITEM = frozenset((
    "Key", "Item", "ExpressionAttributeValues", "ExclusiveStartKey", "Keys", "Attributes", "Items",
    "LastEvaluatedKey", "ItemCollectionKey", "NewImage", "OldImage",
))
HOLDS_VALUE = frozenset(("Parameters", "AttributeValueList", "Value",))
HOLDS_NAMES = frozenset((
    "ExpressionAttributeNames", "RequestItems", "LocalSecondaryIndexes", "GlobalSecondaryIndexes",
    "UnprocessedKeys", "UnprocessedItems", "Expected", "AttributeUpdates", "QueryFilter", "ScanFilter",
    "KeyConditions",
))


def encode(members):
    """The document of a request. Raises NoStoredForm if attributes have none."""
    document = bytearray()
    _put_object(document, members)
    return bytes(document)


def decode(document):
    """What a document says, in the terms of boto3's answers."""
    node, end = _read(document, 0)
    if end != len(document):
        raise ValueError("bytes follow a document")
    return node


def _put_object(document, members):
    document.append(TAG_OBJECT)
    for name, value in members.items():
        if value is None:
            continue
        _put_name(document, name)
        _put_member(document, name, value)
    document.append(NAME_END)


def _put_name(document, name):
    if not isinstance(name, str):
        raise NoStoredForm
    number = NUMBERS.get(name)
    if number is not None:
        document += varint(number)
        return
    text = name.encode()
    document.append(NAME_LITERAL)
    document += varint(len(text)) + text


def _put_member(document, name, value):
    if name in HOLDS_ITEM:
        _put_each(document, value, TAG_ITEM, encode_item)
    elif name in HOLDS_VALUE:
        _put_each(document, value, TAG_VALUE, encode_value)
    elif name in HOLDS_NAMES and isinstance(value, dict):
        document.append(TAG_OBJECT)
        for key, entry in value.items():
            if entry is not None:
                _put_name(document, key)
                _put(document, entry)
        document.append(NAME_END)
    else:
        _put(document, value)


def _put_each(document, value, tag, encode_one):
    """A stored form, or a list of such."""
    if isinstance(value, (list, tuple)):
        document.append(TAG_LIST)
        for element in value:
            _put_each(document, element, tag, encode_one)
        document.append(TAG_END)
        return
    if not isinstance(value, dict):
        # The server tells in DynamoDB's words what stands here instead.
        _put(document, value)
        return
    stored = encode_one(value)
    document.append(tag)
    document += varint(len(stored)) + stored


def _put(document, value):
    if isinstance(value, bool):
        document.append(TAG_TRUE if value else TAG_FALSE)
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise NoStoredForm
        document.append(TAG_INTEGER)
        document += varint(value << 1 if value >= 0 else ~value << 1 | 1)
    elif isinstance(value, float):
        document.append(TAG_DOUBLE)
        document += struct.pack("<d", value)
    elif isinstance(value, str):
        text = value.encode()
        document.append(TAG_TEXT)
        document += varint(len(text)) + text
    elif isinstance(value, (list, tuple)):
        document.append(TAG_LIST)
        for element in value:
            _put(document, element)
        document.append(TAG_END)
    elif isinstance(value, dict):
        _put_object(document, value)
    else:
        raise NoStoredForm


def _read(document, position):
    """The value at a position, and the position behind it."""
    tag = document[position]
    position += 1
    if tag in (TAG_FALSE, TAG_TRUE):
        return tag == TAG_TRUE, position
    if tag == TAG_INTEGER:
        folded, position = read_varint(document, position)
        return (~(folded >> 1) if folded & 1 else folded >> 1), position
    if tag == TAG_DOUBLE:
        return struct.unpack_from("<d", document, position)[0], position + 8
    if tag in (TAG_TEXT, TAG_ITEM, TAG_VALUE):
        length, position = read_varint(document, position)
        content = document[position:position + length]
        if len(content) != length:
            raise ValueError("a document ends within a value")
        return _DECODERS[tag](content), position + length
    if tag == TAG_LIST:
        elements = []
        while document[position] != TAG_END:
            element, position = _read(document, position)
            elements.append(element)
        return elements, position + 1
    if tag == TAG_OBJECT:
        return _read_object(document, position)
    raise ValueError(f"tag {tag} of a document")


def _read_object(document, position):
    members = {}
    while True:
        number, position = read_varint(document, position)
        if number == NAME_END:
            return members, position
        if number == NAME_LITERAL:
            length, position = read_varint(document, position)
            name = document[position:position + length].decode()
            position += length
        else:
            name = MEMBERS[number - MEMBER_MIN]
        members[name], position = _read(document, position)


_DECODERS = {TAG_TEXT: bytes.decode, TAG_ITEM: decode_item, TAG_VALUE: decode_value}

'use strict';

// The AWS SDK for JavaScript v3 with lib-dynamodb: a ledger of accounts with an index, transactions and a stream.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const {
  CreateTableCommand,
  DynamoDBClient,
  TransactionCanceledException,
  waitUntilTableExists,
} = require('@aws-sdk/client-dynamodb');
const {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} = require('@aws-sdk/client-dynamodb-streams');
const {
  BatchGetCommand,
  BatchWriteCommand,
  DynamoDBDocumentClient,
  ExecuteStatementCommand,
  QueryCommand,
  TransactWriteCommand,
  UpdateCommand,
  paginateQuery,
  paginateScan,
} = require('@aws-sdk/lib-dynamodb');
const { Daemon } = require('./daemon');

const TableName = 'Accounts';
const BANKS = 4;
const ACCOUNTS = 50;
const BATCH = 25;

let daemon;
let client;
let documents;

before(async () => {
  daemon = await Daemon.start();
  client = new DynamoDBClient(daemon.configuration);
  documents = DynamoDBDocumentClient.from(client);
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'bank', AttributeType: 'S' },
        { AttributeName: 'account', AttributeType: 'N' },
        { AttributeName: 'owner', AttributeType: 'S' },
        { AttributeName: 'balance', AttributeType: 'N' },
      ],
      KeySchema: [
        { AttributeName: 'bank', KeyType: 'HASH' },
        { AttributeName: 'account', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'by-owner',
          KeySchema: [
            { AttributeName: 'owner', KeyType: 'HASH' },
            { AttributeName: 'balance', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 30 }, { TableName });
  await load();
});

after(async () => {
  client.destroy();
  await daemon.stop();
});

function account(bank, number) {
  return {
    bank: `bank ${bank}`,
    account: number,
    owner: `owner ${number % 7}`,
    balance: 100,
    limits: { daily: 50, tags: new Set(['new', `n${number}`]) },
    photo: new Uint8Array([number, 255]),
    closed: null,
  };
}

async function load() {
  const all = [];
  for (let bank = 0; bank < BANKS; bank++) {
    for (let number = 0; number < ACCOUNTS; number++) all.push(account(bank, number));
  }
  for (let start = 0; start < all.length; start += BATCH) {
    const writes = all.slice(start, start + BATCH).map((Item) => ({ PutRequest: { Item } }));
    const answer = await documents.send(new BatchWriteCommand({ RequestItems: { [TableName]: writes } }));
    assert.deepEqual(answer.UnprocessedItems, {});
  }
}

async function collect(pages) {
  const items = [];
  for await (const page of pages) items.push(...page.Items);
  return items;
}

test('values of all types come back as they were', async () => {
  const keys = [{ bank: 'bank 1', account: 3 }];
  const answer = await documents.send(new BatchGetCommand({ RequestItems: { [TableName]: { Keys: keys } } }));
  assert.deepEqual(answer.Responses[TableName], [account(1, 3)]);
});

test('queries and scans are paged', async () => {
  const query = {
    TableName,
    KeyConditionExpression: 'bank = :bank AND account >= :first',
    ExpressionAttributeValues: { ':bank': 'bank 2', ':first': 10 },
  };
  const found = await collect(paginateQuery({ client: documents, pageSize: 7 }, query));
  assert.deepEqual(found.map((item) => item.account), Array.from({ length: ACCOUNTS - 10 }, (_, at) => at + 10));
  const segments = [0, 1, 2].map((Segment) =>
    collect(paginateScan({ client: documents, pageSize: 20 }, { TableName, Segment, TotalSegments: 3 })),
  );
  assert.equal((await Promise.all(segments)).flat().length, BANKS * ACCOUNTS);
});

test('the index shows a write that has been answered', async () => {
  const Key = { bank: 'bank 0', account: 1 };
  await documents.send(
    new UpdateCommand({
      TableName,
      Key,
      UpdateExpression: 'SET balance = balance + :much, #owner = :owner',
      ExpressionAttributeNames: { '#owner': 'owner' },
      ExpressionAttributeValues: { ':much': 900, ':owner': 'owner rich' },
    }),
  );
  const query = {
    TableName,
    IndexName: 'by-owner',
    KeyConditionExpression: '#owner = :owner AND balance > :much',
    ExpressionAttributeNames: { '#owner': 'owner' },
    ExpressionAttributeValues: { ':owner': 'owner rich', ':much': 500 },
  };
  const answer = await documents.send(new QueryCommand(query));
  assert.deepEqual(answer.Items.map(({ bank, account, balance }) => ({ bank, account, balance })), [
    { ...Key, balance: 1000 },
  ]);
});

test('money is moved or it is not', async () => {
  const move = (from, to, much) =>
    documents.send(
      new TransactWriteCommand({
        TransactItems: [
          {
            Update: {
              TableName,
              Key: { bank: 'bank 3', account: from },
              UpdateExpression: 'SET balance = balance - :much',
              ConditionExpression: 'balance >= :much',
              ExpressionAttributeValues: { ':much': much },
              ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
            },
          },
          {
            Update: {
              TableName,
              Key: { bank: 'bank 2', account: to },
              UpdateExpression: 'SET balance = balance + :much',
              ExpressionAttributeValues: { ':much': much },
            },
          },
        ],
      }),
    );
  await move(1, 2, 60);
  await assert.rejects(move(1, 2, 60), (error) => {
    assert.ok(error instanceof TransactionCanceledException);
    assert.deepEqual(error.CancellationReasons.map((reason) => reason.Code), ['ConditionalCheckFailed', 'None']);
    assert.equal(error.CancellationReasons[0].Item.balance.N ?? error.CancellationReasons[0].Item.balance, '40');
    return true;
  });
  const sum = await documents.send(
    new ExecuteStatementCommand({
      Statement: `SELECT balance FROM "${TableName}" WHERE bank IN ['bank 2', 'bank 3'] AND account IN [1, 2]`,
    }),
  );
  assert.equal(sum.Items.reduce((total, item) => total + item.balance, 0), 400);
});

test('the stream tells each change once', async () => {
  const streams = new DynamoDBStreamsClient(daemon.configuration);
  const { Table } = await client.send(new (require('@aws-sdk/client-dynamodb').DescribeTableCommand)({ TableName }));
  const StreamArn = Table.LatestStreamArn;
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
  const records = [];
  for (const { ShardId } of StreamDescription.Shards) {
    const from = { StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' };
    let { ShardIterator } = await streams.send(new GetShardIteratorCommand(from));
    for (;;) {
      const page = await streams.send(new GetRecordsCommand({ ShardIterator, Limit: 100 }));
      if (page.Records.length === 0) break;
      records.push(...page.Records);
      ShardIterator = page.NextShardIterator;
    }
  }
  assert.equal(records.filter((record) => record.eventName === 'INSERT').length, BANKS * ACCOUNTS);
  const modified = records.filter((record) => record.eventName === 'MODIFY');
  const rich = modified.find((record) => record.dynamodb.NewImage.owner.S === 'owner rich');
  assert.equal(rich.dynamodb.OldImage.balance.N, '100');
  assert.equal(rich.dynamodb.NewImage.balance.N, '1000');
  streams.destroy();
});

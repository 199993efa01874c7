'use strict';

// DynamoDB-Toolbox: entities with computed keys, conditions, atomic updates, access by index, batches, transactions.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { CreateTableCommand, DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient } = require('@aws-sdk/lib-dynamodb');
const {
  $add,
  $append,
  BatchWriteCommand,
  ConditionCheck,
  DeleteItemCommand,
  Entity,
  GetItemCommand,
  PutItemCommand,
  PutTransaction,
  QueryCommand,
  ScanCommand,
  Table,
  UpdateItemCommand,
  UpdateTransaction,
  executeBatchWrite,
  executeTransactWrite,
  item,
  list,
  map,
  number,
  string,
} = require('dynamodb-toolbox');
const { BatchPutRequest } = require('dynamodb-toolbox/entity/actions/batchPut');
const { Daemon } = require('./daemon');

const MONSTERS = 25;

let daemon;
let client;
let table;
let monsters;

before(async () => {
  daemon = await Daemon.start();
  client = new DynamoDBClient(daemon.configuration);
  await client.send(
    new CreateTableCommand({
      TableName: 'Monsters',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'kind', AttributeType: 'S' },
        { AttributeName: 'name', AttributeType: 'S' },
        { AttributeName: 'level', AttributeType: 'N' },
      ],
      KeySchema: [
        { AttributeName: 'kind', KeyType: 'HASH' },
        { AttributeName: 'name', KeyType: 'RANGE' },
      ],
      LocalSecondaryIndexes: [
        {
          IndexName: 'by-level',
          KeySchema: [
            { AttributeName: 'kind', KeyType: 'HASH' },
            { AttributeName: 'level', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
    }),
  );
  table = new Table({
    documentClient: DynamoDBDocumentClient.from(client),
    name: 'Monsters',
    partitionKey: { name: 'kind', type: 'string' },
    sortKey: { name: 'name', type: 'string' },
    indexes: { 'by-level': { type: 'local', sortKey: { name: 'level', type: 'number' } } },
  });
  monsters = new Entity({
    name: 'monster',
    table,
    schema: item({
      kind: string().key(),
      name: string().key(),
      level: number(),
      loot: list(string()).default([]),
      lair: map({ depth: number() }).optional(),
    }),
  });
  const puts = Array.from({ length: MONSTERS }, (_, at) => monsters.build(BatchPutRequest).item(monster(at)));
  await executeBatchWrite(table.build(BatchWriteCommand).requests(...puts));
});

after(async () => {
  client.destroy();
  await daemon.stop();
});

function monster(at) {
  return { kind: at % 2 ? 'troll' : 'elf', name: `monster ${at}`, level: (at * 7) % MONSTERS, lair: { depth: at } };
}

test('a local index answers strongly and in order', async () => {
  const { Items } = await table
    .build(QueryCommand)
    .entities(monsters)
    .query({ index: 'by-level', partition: 'troll', range: { gte: 10 } })
    .options({ consistent: true })
    .send();
  const expected = Array.from({ length: MONSTERS }, (_, at) => monster(at))
    .filter(({ kind, level }) => kind === 'troll' && level >= 10)
    .map(({ level }) => level)
    .sort((left, right) => left - right);
  assert.deepEqual(Items.map(({ level }) => level), expected);
});

test('an update adds and appends', async () => {
  const { Attributes } = await monsters
    .build(UpdateItemCommand)
    .item({ kind: 'elf', name: 'monster 4', level: $add(100), loot: $append(['sword']), lair: { depth: $add(-1) } })
    .options({ returnValues: 'ALL_NEW' })
    .send();
  assert.deepEqual([Attributes.level, Attributes.loot, Attributes.lair], [103, ['sword'], { depth: 3 }]);
});

test('a condition keeps what is there', async () => {
  const put = monsters
    .build(PutItemCommand)
    .item(monster(6))
    .options({ condition: { attr: 'name', exists: false } });
  await assert.rejects(put.send(), { name: 'ConditionalCheckFailedException' });
  const key = { kind: 'elf', name: 'monster 8' };
  await monsters.build(DeleteItemCommand).key(key).options({ condition: { attr: 'level', lt: 100 } }).send();
  assert.equal((await monsters.build(GetItemCommand).key(key).send()).Item, undefined);
});

test('a transaction writes both or none', async () => {
  const fight = (winner, loser) =>
    executeTransactWrite(
      monsters.build(UpdateTransaction).item({ kind: 'troll', name: winner, level: $add(1) }),
      monsters.build(ConditionCheck).key({ kind: 'elf', name: loser }).condition({ attr: 'kind', exists: true }),
      monsters.build(PutTransaction).item({ kind: 'ghost', name: `${winner} over ${loser}`, level: 1 }),
    );
  await fight('monster 1', 'monster 2');
  await assert.rejects(fight('monster 3', 'nobody'), { name: 'TransactionCanceledException' });
  const { Items } = await table.build(QueryCommand).entities(monsters).query({ partition: 'ghost' }).send();
  assert.deepEqual(Items.map(({ name }) => name), ['monster 1 over monster 2']);
});

test('a scan is filtered by the entity', async () => {
  const { Items } = await table
    .build(ScanCommand)
    .entities(monsters)
    .options({ filters: { monster: { attr: 'lair.depth', gte: 20 } }, maxPages: Infinity, limit: 5 })
    .send();
  assert.equal(Items.length, 5);
});

'use strict';

// ElectroDB: one table for several entities, collections over an index, conditional patches and transactions.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { CreateTableCommand, DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { Entity, Service } = require('electrodb');
const { Daemon } = require('./daemon');

const table = 'Shop';
const TASKS = 40;

let daemon;
let client;
let service;

before(async () => {
  daemon = await Daemon.start();
  client = new DynamoDBClient(daemon.configuration);
  const keys = ['pk', 'sk', 'gsi1pk', 'gsi1sk'];
  const schema = (hash, range) => [
    { AttributeName: hash, KeyType: 'HASH' },
    { AttributeName: range, KeyType: 'RANGE' },
  ];
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
      KeySchema: schema('pk', 'sk'),
      GlobalSecondaryIndexes: [
        { IndexName: 'gsi1', KeySchema: schema('gsi1pk', 'gsi1sk'), Projection: { ProjectionType: 'ALL' } },
      ],
    }),
  );
  service = new Service({ employee: employee(), task: task() }, { client, table });
  await service.entities.employee
    .put([0, 1, 2].map((number) => ({ employee: `e${number}`, team: `t${number % 2}`, name: `Name ${number}` })))
    .go();
  await service.entities.task.put(Array.from({ length: TASKS }, (_, number) => newTask(number))).go();
});

after(async () => {
  client.destroy();
  await daemon.stop();
});

function newTask(number) {
  return { task: `task${String(number).padStart(3, '0')}`, employee: `e${number % 3}`, project: `p${number % 5}`, points: number };
}

function employee() {
  return new Entity({
    model: { entity: 'employee', version: '1', service: 'shop' },
    attributes: { employee: { type: 'string' }, team: { type: 'string' }, name: { type: 'string', required: true } },
    indexes: {
      byTeam: { pk: { field: 'pk', composite: ['team'] }, sk: { field: 'sk', composite: ['employee'] } },
      assigned: {
        collection: 'workload',
        index: 'gsi1',
        pk: { field: 'gsi1pk', composite: ['employee'] },
        sk: { field: 'gsi1sk', composite: [] },
      },
    },
  });
}

function task() {
  return new Entity({
    model: { entity: 'task', version: '1', service: 'shop' },
    attributes: {
      task: { type: 'string' },
      employee: { type: 'string' },
      project: { type: 'string' },
      points: { type: 'number', default: 0 },
      labels: { type: 'set', items: 'string' },
      status: { type: ['open', 'closed'], default: 'open' },
    },
    indexes: {
      byProject: { pk: { field: 'pk', composite: ['project'] }, sk: { field: 'sk', composite: ['task'] } },
      assigned: {
        collection: 'workload',
        index: 'gsi1',
        pk: { field: 'gsi1pk', composite: ['employee'] },
        sk: { field: 'gsi1sk', composite: ['project', 'task'] },
      },
    },
  });
}

test('a collection gathers entities over the index', async () => {
  const { data } = await service.collections.workload({ employee: 'e1' }).go({ pages: 'all' });
  assert.equal(data.employee.length, 1);
  const expected = Array.from({ length: TASKS }, (_, number) => number).filter((number) => number % 3 === 1);
  assert.deepEqual(data.task.map((found) => found.points).sort((left, right) => left - right), expected);
});

test('queries take ranges, filters and pages', async () => {
  const first = await service.entities.task.query
    .byProject({ project: 'p2' })
    .between({ task: 'task010' }, { task: 'task030' })
    .where(({ points }, { gt }) => gt(points, 15))
    .go({ limit: 2, pages: 'all' });
  assert.deepEqual(first.data.map((found) => found.points), [17, 22, 27]);
});

test('a patch changes what is there and nothing else', async () => {
  const key = { project: 'p4', task: 'task004' };
  const { data } = await service.entities.task
    .patch(key)
    .add({ points: 10, labels: ['hot'] })
    .set({ status: 'closed' })
    .where(({ status }, { eq }) => eq(status, 'open'))
    .go({ response: 'all_new' });
  assert.equal(data.points, 14);
  assert.deepEqual([data.status, data.labels], ['closed', ['hot']]);
  await assert.rejects(service.entities.task.patch({ project: 'p4', task: 'none' }).set({ points: 1 }).go());
});

test('a transaction is done as a whole', async () => {
  const write = (points) =>
    service.transaction
      .write(({ task: tasks, employee: employees }) => [
        tasks.create({ ...newTask(100), points }).commit(),
        employees.check({ team: 't0', employee: 'e0' }).where(({ name }, { eq }) => eq(name, 'Name 0')).commit(),
      ])
      .go();
  assert.equal((await write(1)).canceled, false);
  const second = await write(2);
  assert.equal(second.canceled, true);
  assert.deepEqual(second.data.map((outcome) => outcome.code), ['ConditionalCheckFailed', 'None']);
  const { data } = await service.transaction.get(({ task: tasks }) => [tasks.get({ project: 'p0', task: 'task100' }).commit()]).go();
  assert.equal(data[0].item.points, 1);
});

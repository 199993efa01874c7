'use strict';

// DynamoDB OneTable: it makes its table, keeps unique attributes by transactions, and finds over its index.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { Table } = require('dynamodb-onetable');
const { Dynamo } = require('dynamodb-onetable/Dynamo');
const { Daemon } = require('./daemon');

const USERS = 30;

const schema = {
  format: 'onetable:1.1.0',
  version: '0.0.1',
  indexes: {
    primary: { hash: 'pk', sort: 'sk' },
    gs1: { hash: 'gs1pk', sort: 'gs1sk', project: 'all' },
  },
  models: {
    User: {
      pk: { type: String, value: 'account:${account}' },
      sk: { type: String, value: 'user:${email}' },
      gs1pk: { type: String, value: 'team:${team}' },
      gs1sk: { type: String, value: 'user:${name}' },
      account: { type: String, required: true },
      email: { type: String, unique: true, required: true },
      name: { type: String, required: true },
      team: { type: String, required: true },
      logins: { type: Number, default: 0 },
      settings: { type: Object, default: {} },
    },
  },
  params: { isoDates: true, timestamps: true },
};

let daemon;
let client;
let table;
let User;

before(async () => {
  daemon = await Daemon.start();
  client = new DynamoDBClient(daemon.configuration);
  table = new Table({ client: new Dynamo({ client }), name: 'OneTable', schema, partial: true, logger: false });
  await table.createTable();
  User = table.getModel('User');
  for (let number = 0; number < USERS; number++) await User.create(user(number));
});

after(async () => {
  client.destroy();
  await daemon.stop();
});

function user(number) {
  return {
    account: `a${number % 3}`,
    email: `user${number}@example.org`,
    name: `User ${String(number).padStart(2, '0')}`,
    team: number % 2 ? 'odd' : 'even',
  };
}

test('a unique attribute is taken once', async () => {
  await assert.rejects(User.create({ ...user(1), account: 'a2' }), { code: 'UniqueError' });
  await User.remove({ account: 'a2', email: 'user29@example.org' });
  await User.create(user(29));
});

test('the index finds in order and by pages', async () => {
  const names = [];
  let next;
  do {
    const page = await User.find({ team: 'odd' }, { index: 'gs1', limit: 4, next });
    names.push(...page.map(({ name }) => name));
    next = page.next;
  } while (next);
  const expected = Array.from({ length: USERS }, (_, number) => user(number)).filter(({ team }) => team === 'odd');
  assert.deepEqual(names, expected.map(({ name }) => name));
});

test('an update counts and sets', async () => {
  const key = { account: 'a0', email: 'user3@example.org' };
  await User.update(key, { add: { logins: 2 }, set: { 'settings.theme': 'dark' } });
  const found = await User.get(key);
  assert.equal(found.logins, 2);
  assert.equal(found.settings.theme, 'dark');
});

test('a transaction is gathered and sent at once', async () => {
  const transaction = {};
  await User.update({ account: 'a1', email: 'user4@example.org' }, { add: { logins: 1 }, transaction });
  await User.update({ account: 'a1', email: 'user7@example.org' }, { add: { logins: 1 }, transaction });
  await table.transact('write', transaction);
  const found = await User.find({ account: 'a1' });
  assert.equal(found.reduce((total, { logins }) => total + logins, 0), 2);
  assert.equal((await User.scan({}, { count: true })).count, USERS);
});

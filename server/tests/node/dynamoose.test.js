'use strict';

// Dynamoose: it makes its tables and indexes itself, then documents, queries, updates and transactions.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const dynamoose = require('dynamoose');
const { Daemon } = require('./daemon');

const TRACKS = 60;

let daemon;
let client;
let Track;

before(async () => {
  daemon = await Daemon.start();
  client = new dynamoose.aws.ddb.DynamoDB(daemon.configuration);
  dynamoose.aws.ddb.set(client);
  const schema = new dynamoose.Schema(
    {
      artist: { type: String, hashKey: true },
      title: { type: String, rangeKey: true },
      genre: { type: String, index: { name: 'byGenre', rangeKey: 'seconds', type: 'global' } },
      seconds: Number,
      plays: { type: Number, default: 0 },
      released: Date,
      credits: { type: Array, schema: [String] },
      label: { type: Object, schema: { name: String, country: String } },
    },
    { timestamps: true },
  );
  Track = dynamoose.model('Track', schema);
  new dynamoose.Table('Music', [Track], { throughput: 'ON_DEMAND' });
  const tracks = Array.from({ length: TRACKS }, (_, number) => track(number));
  for (let start = 0; start < TRACKS; start += 25) await Track.batchPut(tracks.slice(start, start + 25));
});

after(async () => {
  client.destroy();
  await daemon.stop();
});

function track(number) {
  return {
    artist: `artist ${number % 4}`,
    title: `title ${String(number).padStart(2, '0')}`,
    genre: number % 2 ? 'rock' : 'lava',
    seconds: 100 + ((number * 17) % 200),
    released: new Date(Date.UTC(2000, 0, 1 + number)),
    credits: ['voice', `player ${number}`],
    label: { name: 'Basalt', country: 'IS' },
  };
}

test('a document comes back with its types', async () => {
  const found = await Track.get({ artist: 'artist 3', title: 'title 07' });
  assert.deepEqual(found.released, new Date(Date.UTC(2000, 0, 8)));
  assert.deepEqual(found.credits, ['voice', 'player 7']);
  assert.equal(found.label.country, 'IS');
});

test('the global index is queried in its order', async () => {
  const found = await Track.query('genre').eq('lava').where('seconds').between(150, 250).using('byGenre').all().exec();
  const expected = Array.from({ length: TRACKS }, (_, number) => track(number))
    .filter(({ genre, seconds }) => genre === 'lava' && seconds >= 150 && seconds <= 250)
    .map(({ seconds }) => seconds)
    .sort((left, right) => left - right);
  assert.deepEqual(found.map(({ seconds }) => seconds), expected);
});

test('a scan with a filter counts what it sees', async () => {
  const found = await Track.scan('plays').eq(0).and().filter('title').beginsWith('title 1').all().exec();
  assert.equal(found.length, 10);
});

test('an update adds, sets and removes', async () => {
  const key = { artist: 'artist 1', title: 'title 05' };
  const updated = await Track.update(key, { $ADD: { plays: 3 }, $SET: { genre: 'folk' }, $REMOVE: ['label'] });
  assert.deepEqual([updated.plays, updated.genre, updated.label], [3, 'folk', undefined]);
  const condition = new dynamoose.Condition().where('plays').eq(0);
  await assert.rejects(Track.update(key, { plays: 9 }, { condition }), { name: 'ConditionalCheckFailedException' });
});

test('a transaction spans documents', async () => {
  const play = (title) => Track.transaction.update({ artist: 'artist 2', title }, { $ADD: { plays: 1 } });
  await dynamoose.transaction([play('title 02'), play('title 06')]);
  const condition = new dynamoose.Condition().where('plays').gt(100);
  const impossible = Track.transaction.condition({ artist: 'artist 2', title: 'title 10' }, condition);
  await assert.rejects(dynamoose.transaction([play('title 02'), impossible]), { name: 'TransactionCanceledException' });
  const found = await Track.batchGet([
    { artist: 'artist 2', title: 'title 02' },
    { artist: 'artist 2', title: 'title 06' },
  ]);
  assert.deepEqual(found.map(({ plays }) => plays), [1, 1]);
});

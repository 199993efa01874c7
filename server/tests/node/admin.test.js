'use strict';

// dynamodb-admin in a headless browser: its pages list a table, show its items, open one. A picture of each is kept in
// the folder that SCREENSHOTS names.

const assert = require('node:assert/strict');
const { mkdirSync } = require('node:fs');
const { once } = require('node:events');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { DynamoDBClient, CreateTableCommand } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient, PutCommand } = require('@aws-sdk/lib-dynamodb');
const { createServer } = require('dynamodb-admin');
const chromium = require('@sparticuz/chromium');
const puppeteer = require('puppeteer-core');
const { Daemon } = require('./daemon');

const screenshots = process.env.SCREENSHOTS;

let daemon;
let client;
let web;
let browser;
let page;

before(async () => {
  daemon = await Daemon.start();
  client = new DynamoDBClient(daemon.configuration);
  await client.send(
    new CreateTableCommand({
      TableName: 'Volcanoes',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
    }),
  );
  const documents = DynamoDBDocumentClient.from(client);
  for (const [name, metres] of [['Hekla', 1491], ['Katla', 1512], ['Askja', 1516]]) {
    await documents.send(new PutCommand({ TableName: 'Volcanoes', Item: { name, metres, rock: { kind: 'basalt' } } }));
  }
  web = createServer({ dynamoDbClient: client }).listen(0, '127.0.0.1');
  await once(web, 'listening');
  browser = await puppeteer.launch({ args: chromium.args, executablePath: await chromium.executablePath(), headless: 'shell' });
  page = await browser.newPage();
  mkdirSync(screenshots, { recursive: true });
});

after(async () => {
  await browser?.close();
  web?.closeAllConnections();
  web?.close();
  client.destroy();
  await daemon.stop();
});

async function open(address, name) {
  const answer = await page.goto(`http://127.0.0.1:${web.address().port}${address}`, { waitUntil: 'networkidle0' });
  assert.equal(answer.status(), 200);
  await page.screenshot({ path: path.join(screenshots, `${name}.png`) });
  return page.evaluate(() => document.body.innerText);
}

test('the first page lists the table', async () => {
  assert.match(await open('/', 'tables'), /Volcanoes/);
});

test('a table shows its items', async () => {
  const text = await open('/tables/Volcanoes', 'items');
  for (const name of ['Hekla', 'Katla', 'Askja']) assert.match(text, new RegExp(name));
});

test('an item is shown whole', async () => {
  const text = await open(`/tables/Volcanoes/items/${encodeURIComponent('Hekla')}`, 'item');
  const shown = text + (await page.content());
  assert.match(shown, /1491/);
  assert.match(shown, /basalt/);
});

test('a table\'s settings are shown', async () => {
  assert.match(await open('/tables/Volcanoes/meta', 'settings'), /PAY_PER_REQUEST/);
});

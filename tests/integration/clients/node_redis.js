// SPDX-License-Identifier: BSD-3-Clause
// usage: node node_redis.js redis4|redis5 RESP-VERSION PORT
// A session of node-redis over every command family; every reply is asserted.
'use strict';
const {equal, ok, fails, done} = require('./check.js');
const [library, protocol, port] = process.argv.slice(2);
const {createClient} = require(library);

const isV5 = library === 'redis5';
// Version 4 says true and false where version 5 says 1 and 0.
const flag = (value) => (isV5 ? Number(value) : Boolean(value));

async function connection(c) {
  equal(await c.ping(), 'PONG');
  equal(await c.echo('hello'), 'hello');
  equal(await c.clientSetName('session'), 'OK');
  equal(await c.clientGetName(), 'session');
  ok((await c.clientId()) > 0);
  ok((await c.clientList()).some((client) => client.name === 'session'));
}

async function strings(c) {
  equal(await c.set('a', '1'), 'OK');
  equal(await c.get('a'), '1');
  equal(await c.set('a', '2', {NX: true}), null);
  equal(await c.set('a', '2', {XX: true, GET: true}), '1');
  equal(await c.set('a', '3', {EX: 100}), 'OK');
  ok((await c.ttl('a')) > 98);
  equal(await c.getEx('a', isV5 ? {type: 'PERSIST'} : {PERSIST: true}), '3');
  equal(await c.ttl('a'), -1);
  equal(await c.getDel('a'), '3');
  equal(await c.get('a'), null);
  equal(await c.setEx('a', 10, 'x'), 'OK');
  equal(await c.pSetEx('a', 10000, 'y'), 'OK');
  equal(await c.setNX('a', 'z'), flag(false));
  equal(await c.mSet(['b', '1', 'c', '2']), 'OK');
  equal(await c.mGet(['b', 'none', 'c']), ['1', null, '2']);
  equal(await c.mSetNX(['c', '9', 'd', '9']), flag(false));
  equal(await c.append('b', '23'), 3);
  equal(await c.strLen('b'), 3);
  equal(await c.incr('n'), 1);
  equal(await c.incrBy('n', 41), 42);
  equal(await c.decr('n'), 41);
  equal(await c.decrBy('n', 40), 1);
  await fails(c.incr('a'), 'value is not an integer or out of range');
}

async function keys(c) {
  equal(await c.flushDb(), 'OK');
  for (let i = 0; i < 300; i++) await c.set(`key:${String(i).padStart(3, '0')}`, String(i));
  equal(await c.dbSize(), 300);
  const seen = new Set();
  for await (const found of c.scanIterator()) [].concat(found).forEach((key) => seen.add(key));
  equal(seen.size, 300);
  equal((await c.keys('key:29?')).length, 10);
  ok((await c.randomKey()).startsWith('key:'));
  equal(await c.type('key:000'), 'string');
  equal(await c.exists(['key:000', 'none']), 1);
  equal(await c.del(['key:000', 'key:001', 'none']), 2);
  equal(await c.unlink('key:002'), 1);
  equal(await c.dbSize(), 297);
  equal(await c.flushAll(), 'OK');
  equal(await c.dbSize(), 0);
}

async function expiry(c) {
  await c.set('e', '1');
  equal(await c.expire('e', 100), flag(true));
  equal(await c.expire('e', 50, 'GT'), flag(false));
  equal(await c.expire('e', 50, 'LT'), flag(true));
  equal(await c.persist('e'), flag(true));
  equal(await c.ttl('e'), -1);
  equal(await c.pTTL('none'), -2);
  equal(await c.pExpire('e', 20), flag(true));
  await new Promise((resolve) => setTimeout(resolve, 100));
  equal(await c.get('e'), null);
}

async function server(c) {
  ok((await c.info()).includes('redis_version:'));
  equal((await c.configGet('databases')).databases, '16');
  equal(await c.configSet('timeout', '0'), 'OK');
  await fails(c.configSet('no-such-directive', '1'), 'Unknown option');
  ok((await c.commandCount()) >= 40);
  equal(await c.commandGetKeys(['SET', 'k', 'v']), ['k']);
  await fails(c.sendCommand(['NOSUCHCOMMAND', 'x']), 'unknown command');
  await fails(c.sendCommand(['GET']), 'wrong number of arguments');
}

async function pipelines(c) {
  const calls = [];
  for (let i = 0; i < 1000; i++) {
    calls.push(c.set(`p:${i}`, String(i)));
    calls.push(c.get(`p:${i}`));
  }
  const replies = await Promise.all(calls);
  for (let i = 0; i < 1000; i++) {
    equal(replies[2 * i], 'OK');
    equal(replies[2 * i + 1], String(i));
  }
}

async function main() {
  const options = {socket: {port: Number(port), host: '127.0.0.1'}};
  if (isV5) options.RESP = Number(protocol);
  const c = createClient(options);
  c.on('error', (error) => {
    console.error(error);
    process.exit(1);
  });
  await c.connect();
  for (const family of [connection, strings, keys, expiry, server, pipelines]) await family(c);
  await (isV5 ? c.close() : c.quit());
  done();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

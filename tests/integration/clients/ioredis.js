// SPDX-License-Identifier: BSD-3-Clause
// usage: node ioredis.js PORT
// A session of ioredis over every command family; every reply is asserted.
'use strict';
const Redis = require('ioredis');
const {equal, ok, fails, done} = require('./check.js');

async function connection(r) {
  equal(await r.ping(), 'PONG');
  equal(await r.echo('hello'), 'hello');
  equal(await r.client('SETNAME', 'session'), 'OK');
  equal(await r.client('GETNAME'), 'session');
  ok((await r.client('ID')) > 0);
  ok((await r.client('LIST')).includes('name=session'));
  equal(await r.select(3), 'OK');
  equal(await r.set('elsewhere', 1), 'OK');
  equal(await r.select(0), 'OK');
  equal(await r.get('elsewhere'), null);
}

async function strings(r) {
  equal(await r.set('a', '1'), 'OK');
  equal(await r.get('a'), '1');
  equal(await r.set('a', '2', 'NX'), null);
  equal(await r.set('a', '2', 'XX', 'GET'), '1');
  equal(await r.set('a', '3', 'EX', 100), 'OK');
  ok((await r.ttl('a')) > 98);
  equal(await r.getex('a', 'PERSIST'), '3');
  equal(await r.getset('a', '4'), '3');
  equal(await r.getdel('a'), '4');
  equal(await r.setex('a', 10, 'x'), 'OK');
  equal(await r.psetex('a', 10000, 'y'), 'OK');
  equal(await r.setnx('a', 'z'), 0);
  equal(await r.mset('b', 1, 'c', 2), 'OK');
  equal(await r.mget('b', 'none', 'c'), ['1', null, '2']);
  equal(await r.msetnx('c', 9, 'd', 9), 0);
  equal(await r.append('b', '23'), 3);
  equal(await r.strlen('b'), 3);
  equal(await r.incr('n'), 1);
  equal(await r.incrby('n', 41), 42);
  equal(await r.decr('n'), 41);
  equal(await r.decrby('n', 40), 1);
  await fails(r.incr('a'), 'value is not an integer or out of range');
  const binary = Buffer.from(Array.from({length: 1024}, (_, i) => i % 256));
  equal(await r.set('binary', binary), 'OK');
  equal(await r.getBuffer('binary'), binary);
}

async function keys(r) {
  equal(await r.flushdb(), 'OK');
  for (let i = 0; i < 300; i++) await r.set(`key:${String(i).padStart(3, '0')}`, i);
  equal(await r.dbsize(), 300);
  const seen = new Set();
  let cursor = '0';
  do {
    const [next, found] = await r.scan(cursor, 'MATCH', 'key:*', 'COUNT', 7);
    found.forEach((key) => seen.add(key));
    cursor = next;
  } while (cursor !== '0');
  equal(seen.size, 300);
  equal((await r.keys('key:29?')).length, 10);
  ok((await r.randomkey()).startsWith('key:'));
  equal(await r.type('key:000'), 'string');
  equal(await r.exists('key:000', 'none'), 1);
  equal(await r.del('key:000', 'key:001', 'none'), 2);
  equal(await r.unlink('key:002'), 1);
  equal(await r.dbsize(), 297);
  equal(await r.flushall(), 'OK');
  equal(await r.dbsize(), 0);
}

async function expiry(r) {
  await r.set('e', 1);
  equal(await r.expire('e', 100), 1);
  equal(await r.expire('e', 50, 'GT'), 0);
  equal(await r.persist('e'), 1);
  equal(await r.ttl('e'), -1);
  equal(await r.pttl('none'), -2);
  equal(await r.pexpire('e', 20), 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  equal(await r.get('e'), null);
}

async function server(r) {
  ok((await r.info()).includes('redis_version:'));
  equal(await r.config('GET', 'databases'), ['databases', '16']);
  equal(await r.config('SET', 'timeout', 0), 'OK');
  await fails(r.config('SET', 'no-such-directive', 1), 'Unknown option');
  ok((await r.command('COUNT')) >= 40);
  equal(await r.command('GETKEYS', 'SET', 'k', 'v'), ['k']);
  await fails(r.call('NOSUCHCOMMAND', 'x'), 'unknown command');
  await fails(r.call('GET'), 'wrong number of arguments');
}

async function pipelines(r) {
  const batch = r.pipeline();
  for (let i = 0; i < 1000; i++) batch.set(`p:${i}`, i).get(`p:${i}`);
  const replies = await batch.exec();
  for (let i = 0; i < 1000; i++) {
    equal(replies[2 * i], [null, 'OK']);
    equal(replies[2 * i + 1], [null, String(i)]);
  }
}

async function main() {
  const r = new Redis(Number(process.argv[2]), '127.0.0.1');
  for (const family of [connection, strings, keys, expiry, server, pipelines]) await family(r);
  await r.quit();
  done();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

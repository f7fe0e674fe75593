// SPDX-License-Identifier: BSD-3-Clause
// What the node sessions share: counted assertions.
'use strict';
const assert = require('node:assert');

let checks = 0;

function equal(actual, expected) {
  checks++;
  assert.deepStrictEqual(actual, expected);
}

function ok(condition, what) {
  checks++;
  assert.ok(condition, what);
}

async function fails(promise, text) {
  checks++;
  await assert.rejects(promise, (error) => {
    assert.ok(String(error.message).includes(text), `${error.message} does not say '${text}'`);
    return true;
  });
}

function done() {
  console.log(`${checks} replies as expected`);
}

module.exports = {equal, ok, fails, done};

#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
'use strict';
// Usage: node client.js TARGET    (host:port or unix:/path of an analyzer)
// One line per check; exit code 0 only if all of them passed. `--only a,b` runs some of them. With
// `--tls DIR --own collector-grpc-js --server NAME` over mutual TLS, with the files that ./dev certs makes.
const { parseArgs } = require('util');
const { status } = require('@grpc/grpc-js');
const { useTls } = require('./load');
const health = require('./health');
const stream = require('./stream');

const TIMEOUT_MS = 20000;
const UNKNOWN_METHOD_MS = 2000; // UNIMPLEMENTED must come at once, not when a deadline passes

function expect(name, actual, wanted) {
  if (actual !== wanted) throw new Error(`${name} is ${actual}, expected ${wanted}`);
}

const checks = {
  check: async (target) => expect('Health/Check', await health.check(target, '', TIMEOUT_MS), 'SERVING'),
  watch: async (target) => expect('Health/Watch', await health.watch(target, '', TIMEOUT_MS), 'SERVING'),
  stream: async (target) => {
    const welcome = await stream.open(target, TIMEOUT_MS);
    expect('length of Welcome.instance', welcome.instance.length, 16);
  },
  unknown: async (target) => {
    const code = await stream.unknownMethod(target, UNKNOWN_METHOD_MS);
    expect('status of an unknown method', status[code], 'UNIMPLEMENTED');
  },
};

async function run(name, target) {
  const start = Date.now();
  try {
    await checks[name](target);
    console.log(`ok ${name} (${Date.now() - start} ms)`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${error.message}`);
    return false;
  }
}

function usage() {
  console.error(`usage: node client.js [--only ${Object.keys(checks).join(',')}] [--tls DIR --own FILE --server NAME] TARGET`);
  return 2;
}

function commandLine() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: Object.fromEntries(
      ['only', 'tls', 'own', 'server'].map((name) => [name, { type: 'string' }])) });
    const names = values.only ? values.only.split(',') : Object.keys(checks);
    const isGood = positionals.length === 1 && names.every((name) => Object.hasOwn(checks, name));
    return isGood ? { target: positionals[0], names, tls: values } : null;
  } catch {
    return null;
  }
}

async function main() {
  const wish = commandLine();
  if (!wish) return usage();
  if (wish.tls.tls) useTls(wish.tls.tls, wish.tls.own, wish.tls.server);
  let good = true;
  for (const name of wish.names) good = (await run(name, wish.target)) && good;
  return good ? 0 : 1;
}

main().then((code) => process.exit(code));

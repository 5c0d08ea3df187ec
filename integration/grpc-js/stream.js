// SPDX-License-Identifier: Apache-2.0
'use strict';
// podward.v1.CollectService/Stream: a Hello is answered by a Welcome; and methods that do not exist.
const crypto = require('crypto');
const grpc = require('@grpc/grpc-js');
const { load, clientFor, deadline } = require('./load');

function hello(schema) {
  return {
    hello: {
      schema,
      node: Buffer.from('grpc-js'),
      boot_id: Buffer.alloc(16, 7),
      instance: crypto.randomBytes(16),
      first_seq: 0,
      next_seq: 1,
    },
  };
}

// Resolves with the Welcome.
function open(target, timeoutMs) {
  const collect = clientFor(load('podward/v1/collect.proto').podward.v1.CollectService, target);
  return new Promise((resolve, reject) => {
    const call = collect.Stream({ deadline: deadline(timeoutMs) });
    call.on('data', (reply) => {
      if (reply.message === 'welcome') resolve(reply.welcome);
      else reject(new Error(`the first answer is ${reply.message}, not welcome`));
      call.end();
      call.cancel();
    });
    call.on('error', reject);
    call.on('end', () => reject(new Error('the stream ended without an answer')));
    call.on('status', () => collect.close());
    call.write(hello(1));
  });
}

// Resolves with the status of a call to a method that nobody has.
function unknownMethod(target, timeoutMs) {
  const client = clientFor(grpc.Client, target);
  const same = (x) => x;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest('/podward.v1.CollectService/NoSuchMethod', same, same, Buffer.alloc(0),
      new grpc.Metadata(), { deadline: deadline(timeoutMs) }, (error) => {
        client.close();
        if (error) resolve(error.code);
        else reject(new Error('it was answered'));
      });
  });
}

module.exports = { open, unknownMethod };

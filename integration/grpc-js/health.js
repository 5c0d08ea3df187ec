// SPDX-License-Identifier: Apache-2.0
'use strict';
// grpc.health.v1 as a foreign library speaks it: one Check, and the first answer of a Watch.
const { load, clientFor, deadline } = require('./load');

function client(target) {
  return clientFor(load('grpc/health/v1/health.proto').grpc.health.v1.Health, target);
}

function check(target, service, timeoutMs) {
  const health = client(target);
  return new Promise((resolve, reject) => {
    health.Check({ service }, { deadline: deadline(timeoutMs) }, (error, reply) => {
      health.close();
      if (error) reject(error);
      else resolve(reply.status);
    });
  });
}

function watch(target, service, timeoutMs) {
  const health = client(target);
  return new Promise((resolve, reject) => {
    const call = health.Watch({ service }, { deadline: deadline(timeoutMs) });
    call.on('data', (reply) => {
      resolve(reply.status);
      call.cancel();
    });
    call.on('error', reject); // after resolve() this is our own cancel, and without effect
    call.on('end', () => reject(new Error('the watch ended without an answer')));
    call.on('status', () => health.close());
  });
}

module.exports = { check, watch };

// SPDX-License-Identifier: Apache-2.0
'use strict';
// The proto files of this repository, loaded at run time.
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const protos = path.join(__dirname, '..', '..', 'protos');

function load(file) {
  return grpc.loadPackageDefinition(
    loader.loadSync(file, { includeDirs: [protos], keepCase: true, longs: String, enums: String, oneofs: true }));
}

function clientFor(Service, target) {
  // A proxy of the environment has no business between two local programs.
  return new Service(target, grpc.credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
}

function deadline(timeoutMs) {
  return new Date(Date.now() + timeoutMs);
}

module.exports = { load, clientFor, deadline };

// SPDX-License-Identifier: Apache-2.0
'use strict';
// The proto files of this repository, loaded at run time.
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const protos = path.join(__dirname, '..', '..', 'protos');

function load(file) {
  return grpc.loadPackageDefinition(
    loader.loadSync(file, { includeDirs: [protos], keepCase: true, longs: String, enums: String, oneofs: true }));
}

// A proxy of the environment has no business between two local programs.
const options = { 'grpc.enable_http_proxy': 0 };
let credentials = grpc.credentials.createInsecure();

// From now on with certificates: files as ./dev certs makes them, and the DNS name the server must have.
function useTls(folder, own, serverName) {
  const read = (name) => fs.readFileSync(path.join(folder, name));
  credentials = grpc.credentials.createSsl(read('ca.pem'), own && read(`${own}.key`), own && read(`${own}.pem`));
  options['grpc.ssl_target_name_override'] = serverName;
}

function clientFor(Service, target) {
  return new Service(target, credentials, options);
}

function deadline(timeoutMs) {
  return new Date(Date.now() + timeoutMs);
}

module.exports = { load, useTls, clientFor, deadline };

// The same calls as server.py.
'use strict';
const grpc = require('@grpc/grpc-js');

let cancelled = 0;
const same = (bytes) => bytes;
const zeros = (request) => Buffer.alloc(request.readUInt32BE(0));

function echoMetadata(call) {
  const initial = new grpc.Metadata();
  const trailing = new grpc.Metadata();
  call.metadata.get('x-echo-initial').forEach((value) => initial.add('x-echo-initial', value));
  call.metadata.get('x-echo-trailing-bin').forEach((value) => trailing.add('x-echo-trailing-bin', value));
  call.sendMetadata(initial);
  return trailing;
}

const METHODS = {
  Empty: [false, false, (call, answer) => answer(null, call.request)],
  Unary: [false, false, (call, answer) => {
    const trailing = echoMetadata(call);
    answer(null, zeros(call.request), trailing);
  }],
  Input: [true, false, (call, answer) => {
    let total = 0;
    call.on('data', (message) => { total += message.length; });
    call.on('end', () => answer(null, Buffer.from(String(total))));
  }],
  Output: [false, true, (call) => {
    JSON.parse(call.request).forEach((size) => call.write(Buffer.alloc(size)));
    call.end();
  }],
  Both: [true, true, (call) => {
    call.on('data', (message) => call.write(zeros(message)));
    call.on('end', () => call.end());
  }],
  Status: [false, false, (call, answer) => {
    const wanted = JSON.parse(call.request);
    answer({ code: wanted.code, details: wanted.message });
  }],
  Sleep: [false, false, (call) => call.on('cancelled', () => { cancelled += 1; })],
  Endless: [false, true, (call) => {
    call.write(Buffer.from('first'));
    call.on('cancelled', () => { cancelled += 1; });
  }],
  Cancelled: [false, false, (call, answer) => answer(null, Buffer.from(String(cancelled)))],
};

const service = {};
const handlers = {};
for (const [name, [requestStream, responseStream, handler]] of Object.entries(METHODS)) {
  service[name] = {
    path: `/interop.Test/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  handlers[name] = handler;
}

const server = new grpc.Server();
server.addService(service, handlers);
server.bindAsync(`127.0.0.1:${process.argv[2]}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});

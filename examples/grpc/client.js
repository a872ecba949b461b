// The same cases as client.py, by a client in JavaScript.
'use strict';
const assert = require('node:assert');
const grpc = require('@grpc/grpc-js');

const [target, server] = process.argv.slice(2);
const client = new grpc.Client(target, grpc.credentials.createInsecure());
const same = (bytes) => bytes;
const MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
const pause = (time) => new Promise((done) => setTimeout(done, time));

function metadata(more = {}) {
  const all = new grpc.Metadata();
  all.set('x-server', server);
  Object.entries(more).forEach(([name, value]) => all.set(name, value));
  return all;
}

const options = (time = 20000) => ({ deadline: Date.now() + time });
const path = (name, service = 'interop.Test') => `/${service}/${name}`;

function sized(size, padding = 0) {
  const bytes = Buffer.alloc(4 + padding);
  bytes.writeUInt32BE(size);
  return bytes;
}

function call(name, request = Buffer.alloc(0), { service, more, time, begun = () => {} } = {}) {
  return new Promise((done, fail) => {
    const answer = (error, bytes) => (error ? fail(error) : done(bytes));
    const one = client.makeUnaryRequest(path(name, service), same, same, request, metadata(more), options(time), answer);
    begun(one);
  });
}

async function fails(code, message, begun) {
  const error = await begun.then(() => assert.fail(`it did not fail with ${code}`), (failure) => failure);
  assert.strictEqual(error.code, code, error.message);
  if (message !== null) assert.strictEqual(error.details, message);
}

const cancelled = async () => Number(await call('Cancelled'));

async function reaches(count) {
  const until = Date.now() + 10000;
  while (await cancelled() < count) {
    assert(Date.now() < until, 'the server did not see it');
    await pause(20);
  }
}

async function sizes(stream) {
  const seen = [];
  for await (const message of stream) seen.push(message.length);
  return seen;
}

const bidirectional = () => client.makeBidiStreamRequest(path('Both'), same, same, metadata(), options());

const CASES = {
  empty_unary: async () => assert.strictEqual((await call('Empty')).length, 0),
  large_unary: async () => assert.strictEqual((await call('Unary', sized(314159, 271828))).length, 314159),
  client_streaming: async () => {
    const total = await new Promise((done, fail) => {
      const answer = (error, bytes) => (error ? fail(error) : done(bytes));
      const stream = client.makeClientStreamRequest(path('Input'), same, same, metadata(), options(), answer);
      [27182, 8, 1828, 45904].forEach((size) => stream.write(Buffer.alloc(size)));
      stream.end();
    });
    assert.strictEqual(Number(total), 27182 + 8 + 1828 + 45904);
  },
  server_streaming: async () => {
    const wanted = [31415, 9, 2653, 58979];
    const request = Buffer.from(JSON.stringify(wanted));
    const stream = client.makeServerStreamRequest(path('Output'), same, same, request, metadata(), options());
    assert.deepStrictEqual(await sizes(stream), wanted);
  },
  ping_pong: async () => {
    const stream = bidirectional();
    const wanted = [[31415, 27182], [9, 8], [2653, 1828], [58979, 45904]];
    const seen = [];
    stream.write(sized(...wanted[0]));
    for await (const message of stream) {
      seen.push(message.length);
      if (seen.length < wanted.length) stream.write(sized(...wanted[seen.length]));
      else stream.end();
    }
    assert.deepStrictEqual(seen, wanted.map(([size]) => size));
  },
  empty_stream: async () => {
    const stream = bidirectional();
    stream.end();
    assert.deepStrictEqual(await sizes(stream), []);
  },
  custom_metadata: async () => {
    const more = { 'x-echo-initial': 'initial value', 'x-echo-trailing-bin': Buffer.from([0xab, 0xab, 0xab, 0]) };
    let initial;
    let trailing;
    await call('Unary', sized(3), {
      more,
      begun: (one) => {
        one.on('metadata', (seen) => { initial = seen; });
        one.on('status', (status) => { trailing = status.metadata; });
      },
    });
    await pause(0);
    assert.deepStrictEqual(initial.get('x-echo-initial'), ['initial value']);
    assert.deepStrictEqual(trailing.get('x-echo-trailing-bin'), [Buffer.from([0xab, 0xab, 0xab, 0])]);
  },
  status_code_and_message: async () => {
    for (const [code, message] of [[2, 'test status message'], [15, '100 %']]) {
      await fails(code, message, call('Status', Buffer.from(JSON.stringify({ code, message }))));
    }
  },
  special_status_message: () =>
    fails(2, MESSAGE, call('Status', Buffer.from(JSON.stringify({ code: 2, message: MESSAGE })))),
  unimplemented_method: () => fails(12, null, call('Nothing')),
  unimplemented_service: () =>
    fails(12, 'No route matches the request.', call('Empty', undefined, { service: 'interop.Other' })),
  unavailable: () =>
    fails(14, 'The backend could not be reached.', call('Empty', undefined, { service: 'interop.Dead' })),
  deadline: async () => {
    const before = await cancelled();
    await fails(4, null, call('Sleep', undefined, { time: 100 }));
    await reaches(before + 1);
  },
  cancel_after_begin: async () => {
    const before = await cancelled();
    let one;
    const answer = call('Sleep', undefined, { begun: (begun) => { one = begun; } });
    await pause(100);
    one.cancel();
    await fails(1, null, answer);
    await reaches(before + 1);
  },
  cancel_after_first_response: async () => {
    const before = await cancelled();
    const nothing = Buffer.alloc(0);
    const stream = client.makeServerStreamRequest(path('Endless'), same, same, nothing, metadata(), options());
    await fails(1, null, new Promise((done, fail) => {
      stream.on('data', () => stream.cancel());
      stream.on('error', fail);
      stream.on('end', done);
    }));
    await reaches(before + 1);
  },
};

async function main() {
  let failed = 0;
  for (const [name, run] of Object.entries(CASES)) {
    try {
      await run();
      console.log(`ok    node to ${server}: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  node to ${server}: ${name}\n${error.stack}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

main();

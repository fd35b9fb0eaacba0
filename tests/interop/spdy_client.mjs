// Exec and port-forward with the `spdy-transport` package (streaming.md sections 4 to 7). It waits
// for WINDOW_UPDATE frames, which a CRI server never sends: payloads stay small.
import assert from 'node:assert/strict';
import net from 'node:net';
import { createRequire } from 'node:module';

import { Collector, checkExit, runCase } from './check.mjs';

const transport = createRequire(import.meta.url)('spdy-transport');

// Upgrades a connection to `url` and returns the SPDY/3.1 end of it.
async function upgrade(url, protocols) {
  const { hostname, port, pathname } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n` +
      protocols.map((p) => `X-Stream-Protocol-Version: ${p}\r\n`).join('') + '\r\n');
  const answer = await new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const onData = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      socket.pause();
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      resolve(head.subarray(0, end).toString());
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error('closed during the upgrade')));
  });
  assert.match(answer, /^HTTP\/1\.1 101 /);
  const chosen = /^x-stream-protocol-version: (.*)$/im.exec(answer)[1];
  const connection = transport.connection.create(socket, { protocol: 'spdy', isServer: false });
  connection.start(3.1);
  connection.on('error', () => {});
  // A CRI server's SYN_REPLY has no headers; this package speaks HTTP and wants a status.
  connection.on('frame', (frame) => {
    if (frame.type === 'HEADERS') frame.headers[':status'] ??= '200';
  });
  return { connection, socket, chosen };
}

function openStream(connection, headers) {
  return new Promise((resolve, reject) => {
    connection.request({ method: 'POST', path: '/', host: 'crisp', headers }, (error, stream) => {
      if (error) return reject(error);
      stream.on('error', () => {});
      resolve(stream);
    });
  });
}

function collect(stream) {
  const collector = new Collector();
  stream.on('data', (chunk) => collector.add(chunk));
  collector.ended = new Promise((resolve) => stream.once('end', resolve));
  return collector;
}

await runCase({
  async exec({ urls, protocols, chosen: expected }) {
    const { connection, chosen } = await upgrade(urls[0], protocols);
    assert.equal(chosen, expected);
    const error = collect(await openStream(connection, { streamtype: 'error' }));
    const stdin = await openStream(connection, { streamtype: 'stdin' });
    const stdout = collect(await openStream(connection, { streamtype: 'stdout' }));
    const stderr = collect(await openStream(connection, { streamtype: 'stderr' }));
    stdin.end('hello\n');
    await Promise.all([error.ended, stdout.ended, stderr.ended]);
    assert.equal(stdout.text, 'got:hello\n');
    assert.equal(stderr.text, 'err\n');
    if (chosen.startsWith('v4')) {
      checkExit(JSON.parse(error.text), 3);
    } else {
      assert.match(error.text, /exit (code|status).*3/);
    }
  },
  // Two requests, one after the other, over one connection.
  async forward({ urls, ports, content }) {
    const { connection } = await upgrade(urls[0], ['portforward.k8s.io']);
    for (const [i, port] of ports.entries()) {
      const headers = { port: String(port), requestid: String(i) };
      const errorStream = await openStream(connection, { ...headers, streamtype: 'error' });
      errorStream.end();
      const error = collect(errorStream);
      const dataStream = await openStream(connection, { ...headers, streamtype: 'data' });
      const data = collect(dataStream);
      dataStream.write('GET /index.html HTTP/1.0\r\n\r\n');
      await Promise.all([data.ended, error.ended]);
      assert.match(data.text, /^HTTP\/1\.[01] 200/);
      assert.ok(data.text.includes(content));
      assert.equal(error.text, '');
    }
  },
});

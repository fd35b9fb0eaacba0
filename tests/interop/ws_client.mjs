// Exec, attach and port-forward with the `ws` package (streaming.md sections 8 and 9.1).
import assert from 'node:assert/strict';
import WebSocket from 'ws';

import { Collector, checkExit, runCase } from './check.mjs';

const kStdin = 0;
const kStdout = 1;
const kStderr = 2;
const kError = 3;
const kResize = 4;
const kClose = 255;

// One WebSocket with channels, whatever its subprotocol.
class Connection {
  constructor(url, protocol) {
    this.protocol = protocol;
    this.base64 = protocol.includes('base64');
    this.channels = new Map();
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), protocol === '' ? [] : [protocol]);
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', resolve);
      this.socket.on('error', reject);
    });
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)));
    this.socket.on('message', (data, binary) => {
      assert.equal(binary, !this.base64, 'kind of message');
      const channel = this.base64 ? data[0] - 0x30 : data[0];
      const body = this.base64 ? Buffer.from(data.subarray(1).toString('latin1'), 'base64') : data.subarray(1);
      this.channel(channel).add(body);
    });
  }
  channel(number) {
    if (!this.channels.has(number)) this.channels.set(number, new Collector());
    return this.channels.get(number);
  }
  send(number, data) {
    const body = Buffer.from(data);
    if (this.base64) {
      this.socket.send(String.fromCharCode(0x30 + number) + body.toString('base64'));
    } else {
      this.socket.send(Buffer.concat([Buffer.from([number]), body]));
    }
  }
}

await runCase({
  // The command reads a line, answers on both outputs and exits with 3.
  async exec({ urls, protocol }) {
    const connection = new Connection(urls[0], protocol);
    await connection.opened;
    assert.equal(connection.socket.protocol, protocol);
    assert.equal(connection.socket.extensions, '');
    connection.send(kStdin, '');  // a browser's keep-alive
    connection.send(kStdin, 'hel');
    connection.send(kStdin, 'lo\n');
    assert.equal(await connection.closed, 1000);
    assert.equal(connection.channel(kStdout).text, 'got:hello\n');
    assert.equal(connection.channel(kStderr).text, 'err\n');
    const error = connection.channel(kError).text;
    if (protocol.startsWith('v4') || protocol.startsWith('v5')) {
      checkExit(JSON.parse(error), 3);
    } else {
      assert.match(error, /exit (code|status).*3/);
    }
  },
  // `cat` ends with success when v5 says that stdin has ended; 1 MiB goes through unchanged.
  async close({ urls }) {
    const connection = new Connection(urls[0], 'v5.channel.k8s.io');
    await connection.opened;
    const data = Buffer.alloc(1 << 20);
    for (let i = 0; i < data.length; ++i) data[i] = (i * 31 + (i >> 8)) & 255;
    for (let at = 0; at < data.length; at += 32768) {
      connection.send(kStdin, data.subarray(at, at + 32768));
    }
    connection.socket.send(Buffer.from([kClose, kStdin]));
    assert.equal(await connection.closed, 1000);
    assert.ok(Buffer.from(connection.channel(kStdout).text, 'latin1').equals(data));
    checkExit(JSON.parse(connection.channel(kError).text), 0);
  },
  // A shell on a terminal sees the size that the client says.
  async tty({ urls }) {
    const connection = new Connection(urls[0], 'v5.channel.k8s.io');
    await connection.opened;
    connection.send(kResize, '{"Width":111,"Height":44}\n');
    const stdout = connection.channel(kStdout);
    // Asked until the size has arrived: the two channels are not ordered with each other.
    const asking = setInterval(() => connection.send(kStdin, 'stty size\n'), 100);
    await stdout.until((text) => text.includes('44 111'));
    clearInterval(asking);
    connection.send(kStdin, 'exit 5\n');
    assert.equal(await connection.closed, 1000);
    checkExit(JSON.parse(connection.channel(kError).text), 5);
  },
  // The container echoes lines until its input says "end".
  async attach({ urls, protocol }) {
    const connection = new Connection(urls[0], protocol);
    await connection.opened;
    connection.send(kStdin, 'one\n');
    await connection.channel(kStdout).until((text) => text.includes('got:one\n'));
    connection.send(kStdin, 'end\n');
    assert.equal(await connection.closed, 1000);
    checkExit(JSON.parse(connection.channel(kError).text), 0);
  },
  // Channel pairs: the port first, then the data of an HTTP server in the pod.
  async forward({ urls, protocol, ports, content }) {
    const connection = new Connection(urls[0], protocol);
    await connection.opened;
    for (const [i, port] of ports.entries()) {
      const announced = Buffer.alloc(2);
      announced.writeUInt16LE(port);
      for (const channel of [2 * i, 2 * i + 1]) {
        const text = await connection.channel(channel).until((t) => t.length >= 2);
        assert.ok(Buffer.from(text.slice(0, 2), 'latin1').equals(announced), `port on channel ${channel}`);
      }
      connection.send(2 * i, 'GET /index.html HTTP/1.0\r\n\r\n');
    }
    for (const i of ports.keys()) {
      const text = await connection.channel(2 * i).until((t) => t.includes(content));
      assert.match(text.slice(2), /^HTTP\/1\.[01] 200/);
    }
    assert.equal(await connection.closed, 1000);
  },
  // A URL is good for one request.
  async refused({ urls, code }) {
    const socket = new WebSocket(urls[0].replace(/^http/, 'ws'), ['v5.channel.k8s.io']);
    const status = await new Promise((resolve) => {
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
      socket.on('open', () => resolve(101));
      socket.on('error', () => {});
    });
    assert.equal(status, code);
  },
});

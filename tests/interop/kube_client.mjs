// Exec, attach and port-forward with the official JavaScript client of Kubernetes. It builds the
// API server's paths; a relay in this process stands where API server and kubelet stand, which is
// to send each upgrade on to the URL that the runtime gave, byte for byte.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { Attach, Exec, KubeConfig, PortForward } from '@kubernetes/client-node';

import { Collector, checkExit, runCase } from './check.mjs';

async function relayTo(urls) {
  const left = [...urls];
  const server = http.createServer((_, response) => response.writeHead(404).end());
  server.on('upgrade', (request, client, head) => {
    const { hostname, port, pathname } = new URL(left.shift());
    const runtime = net.connect(Number(port), hostname, () => {
      // The query is kept, as a kubelet keeps it.
      let text = `${request.method} ${pathname}${new URL(request.url, 'http://x').search} HTTP/1.1\r\n`;
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        text += `${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\r\n`;
      }
      runtime.write(text + '\r\n');
      runtime.write(head);
      runtime.pipe(client);
      client.pipe(runtime);
    });
    runtime.on('error', () => client.destroy());
    client.on('error', () => runtime.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'crisp', server: `http://127.0.0.1:${server.address().port}`, skipTLSVerify: true },
    { name: 'nobody' });
  return config;
}

function collected() {
  const stream = new PassThrough();
  const collector = new Collector();
  stream.on('data', (chunk) => collector.add(chunk));
  collector.ended = new Promise((resolve) => stream.once('end', resolve));
  return { stream, collector };
}

await runCase({
  async exec({ urls }) {
    const exec = new Exec(await relayTo(urls));
    const stdout = collected();
    const stderr = collected();
    const stdin = new PassThrough();
    const status = new Promise((resolve, reject) => {
      exec.exec('ns', 'pod', 'container', ['sh'], stdout.stream, stderr.stream, stdin, false, resolve)
        .catch(reject);
    });
    stdin.write('hello\n');
    checkExit(await status, 3);
    await Promise.all([stdout.collector.ended, stderr.collector.ended]);
    assert.equal(stdout.collector.text, 'got:hello\n');
    assert.equal(stderr.collector.text, 'err\n');
  },
  async attach({ urls }) {
    const attach = new Attach(await relayTo(urls));
    const stdout = collected();
    const stderr = collected();
    const stdin = new PassThrough();
    const socket = await attach.attach('ns', 'pod', 'container', stdout.stream, stderr.stream, stdin, false);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    stdin.write('one\n');
    await stdout.collector.until((text) => text.includes('got:one\n'));
    stdin.write('end\n');
    assert.equal(await closed, 1000);
    assert.equal(stderr.collector.text, '');
  },
  async forward({ urls, ports, content }) {
    const forward = new PortForward(await relayTo(urls));
    const output = collected();
    const error = collected();
    const input = new PassThrough();
    const socket = await forward.portForward('ns', 'pod', ports, output.stream, error.stream, input);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    input.write('GET /index.html HTTP/1.0\r\n\r\n');
    const text = await output.collector.until((t) => t.includes(content));
    assert.match(text, /^HTTP\/1\.[01] 200/);
    assert.equal(error.collector.text, '');
    assert.equal(await closed, 1000);
  },
});

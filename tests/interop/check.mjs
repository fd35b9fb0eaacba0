// What the clients share: their arguments, deadlines, and strict comparison.
//
// A client is called as `node CLIENT CASE '{"urls": [...], ...}'`; it exits with 0 when what it saw
// is what the case demands, and says what was wrong otherwise.
import assert from 'node:assert/strict';

const kDeadlineMs = 20000;

// Runs the case that the command line names.
export async function runCase(cases) {
  const [name, text] = process.argv.slice(2);
  const run = cases[name];
  if (!run) throw new Error(`no case '${name}'; there are: ${Object.keys(cases).join(', ')}`);
  const timer = setTimeout(() => {
    console.error(`${name}: not done after ${kDeadlineMs} ms`);
    process.exit(1);
  }, kDeadlineMs);
  try {
    await run(JSON.parse(text));
    clearTimeout(timer);
    console.log(`${name}: ok`);
    process.exit(0);
  } catch (error) {
    console.error(error.stack ?? error);
    process.exit(1);
  }
}

// The Status document of streaming.md section 6.3.
export function checkExit(status, code) {
  if (code === 0) {
    assert.equal(status.status, 'Success');
    return;
  }
  assert.equal(status.status, 'Failure');
  assert.equal(status.reason, 'NonZeroExitCode');
  const cause = status.details.causes.find((c) => c.reason === 'ExitCode');
  assert.equal(cause.message, String(code));
}

// Collects what a stream or socket gives until `done(text)` says that it is enough.
export class Collector {
  #text = '';
  #waiting = [];
  add(chunk) {
    this.#text += chunk.toString('latin1');
    this.#waiting = this.#waiting.filter(({ done, resolve }) => !(done(this.#text) && (resolve(this.#text), true)));
  }
  get text() {
    return this.#text;
  }
  until(done) {
    if (done(this.#text)) return Promise.resolve(this.#text);
    return new Promise((resolve) => this.#waiting.push({ done, resolve }));
  }
}

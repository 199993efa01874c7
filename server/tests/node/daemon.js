'use strict';

// Starts the real daemon for a test file and stops it afterwards.

const { spawn } = require('node:child_process');
const { mkdtempSync, readFileSync, openSync, rmSync } = require('node:fs');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { setTimeout: pause } = require('node:timers/promises');

const START_MILLISECONDS_MAX = 30_000;
const LOOK_AGAIN_MILLISECONDS = 10;

/** A TCP port of the loopback interface that nobody listens on now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

class Daemon {
  /** Starts a daemon on a directory of its own; resolves once it answers. */
  static async start() {
    const daemon = new Daemon();
    daemon.directory = mkdtempSync(path.join(tmpdir(), 'basalt-node-'));
    daemon.logPath = path.join(daemon.directory, 'log');
    daemon.endpoint = `http://127.0.0.1:${await freePort()}`;
    const log = openSync(daemon.logPath, 'a');
    const listen = daemon.endpoint.slice('http://'.length);
    const options = ['--data-dir', path.join(daemon.directory, 'data'), '--listen', listen];
    daemon.process = spawn(process.env.BASALTD, options, { stdio: ['ignore', log, log] });
    daemon.ended = new Promise((resolve) => daemon.process.once('exit', resolve));
    await daemon.#untilItAnswers();
    return daemon;
  }

  /** What every client here is configured with. */
  get configuration() {
    return {
      endpoint: this.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    };
  }

  /** Stops the daemon in good order and removes its directory. */
  async stop() {
    this.process.kill('SIGTERM');
    const code = await this.ended;
    const log = readFileSync(this.logPath, 'utf8');
    rmSync(this.directory, { recursive: true });
    if (code !== 0) throw new Error(`the daemon ended with ${code}:\n${log}`);
  }

  async #untilItAnswers() {
    const deadline = Date.now() + START_MILLISECONDS_MAX;
    for (;;) {
      try {
        if ((await fetch(this.endpoint)).ok) return;
      } catch {
        // Nothing tells a client that a port is about to open.
      }
      if (this.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the daemon did not start:\n${readFileSync(this.logPath, 'utf8')}`);
      }
      await pause(LOOK_AGAIN_MILLISECONDS);
    }
  }
}

module.exports = { Daemon, freePort };

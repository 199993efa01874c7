// Puts a daemon of Basalt where dynalite's tests start dynalite: they ask for `..` and get the server below.
'use strict'

const { spawn } = require('child_process')
const Module = require('module')
const net = require('net')
const path = require('path')

const CONNECT_RETRY_MS = 20

function basalt (options) {
  // The suite has a certificate of its own.
  const file = name => path.join(process.cwd(), 'ssl', name)
  const tls = options && options.ssl ? ['--tls-cert', file('server-crt.pem'), '--tls-key', file('server-key.pem')] : []
  let daemon
  return {
    listen (port, listening) {
      daemon = spawn(process.env.BASALTD, [
        '--in-memory',
        '--throttle=false',
        '--table-creation-time=500ms',
        '--listen',
        `127.0.0.1:${port}`,
        ...tls,
      ], { stdio: 'ignore' })
      process.on('exit', () => daemon.kill())
      untilItListens(port, daemon, listening)
    },
    close (closed) {
      daemon.once('exit', () => closed && closed())
      daemon.kill()
    },
  }
}

function untilItListens (port, daemon, listening) {
  if (daemon.exitCode !== null) return listening(new Error(`basaltd ended with ${daemon.exitCode}`))
  const attempt = net.connect(port, '127.0.0.1')
  attempt.once('connect', () => { attempt.destroy(); listening() })
  attempt.once('error', () => setTimeout(untilItListens, CONNECT_RETRY_MS, port, daemon, listening))
}

const load = Module._load
Module._load = function (request, parent, ...rest) {
  const isForDynalite = request === '..' && /[\\/]test[\\/][^\\/]+\.js$/.test(parent.filename)
  return isForDynalite ? basalt : load.call(this, request, parent, ...rest)
}

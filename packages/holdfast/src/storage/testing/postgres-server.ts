import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';

/** Folder of the newest installed server's programs, or undefined where Postgres is not installed. */
function programs(): string | undefined {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return versions.map(version => join(root, version, 'bin')).find(folder => existsSync(join(folder, 'initdb')));
}

const folder = programs();

/** True where a Postgres server can be started for tests. */
export const hasPostgres = folder !== undefined;

/** Postgres refuses to run as root; Debian's package makes this user. */
function asServerUser(command: string, args: readonly string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [command, [...args]];
  return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function connects(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

/** A real Postgres server of its own, in a temporary folder on an ephemeral port. */
export class PostgresServer implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#folder = directory;
    this.#port = port;
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  }

  static async start(): Promise<PostgresServer> {
    if (folder === undefined) throw new Error('Postgres is not installed');
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'));
    chmodSync(directory, 0o777);
    const [command, args] = asServerUser(join(folder, 'initdb'), [
      '-D',
      join(directory, 'data'),
      '-A',
      'trust',
      '-N',
      '-U',
      'postgres',
    ]);
    execFileSync(command, args, { stdio: 'ignore', cwd: directory });
    const server = new PostgresServer(directory, await freePort());
    await server.resume();
    return server;
  }

  /** Starts the server on its data again, after `kill`; resolves when it takes connections. */
  async resume(): Promise<void> {
    while (!(await this.#start()));
  }

  /** False when it ended at once, as it does while processes of its predecessor are still ending. */
  async #start(): Promise<boolean> {
    const [command, args] = asServerUser(join(folder ?? '', 'postgres'), [
      ...['-D', join(this.#folder, 'data'), '-k', '', '-h', '127.0.0.1', '-p', String(this.#port)],
      // A killed process leaves the page cache intact, so that nothing is proved by waiting for the disk.
      ...['-c', 'max_connections=200', '-c', 'shared_buffers=16MB', '-c', 'fsync=off'],
    ]);
    const child = spawn(command, args, { stdio: 'ignore', cwd: this.#folder });
    this.#child = child;
    const ended = once(child, 'exit').then(() => 'ended' as const);
    for (;;) {
      const isReady = await Promise.race([connects(this.url), ended]);
      if (isReady === 'ended') return false;
      if (isReady) return true;
      await setTimeout(50);
    }
  }

  /** kill -9 of the server; its children end when they notice. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** An empty database on this server. */
  async createDatabase(name: string): Promise<string> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    await client.query(`create database ${client.escapeIdentifier(name)}`);
    await client.end();
    return this.url.replace(/\/postgres$/, `/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { LogMirror } from './log-mirror.ts';
import { logShelf } from './log-shelf.ts';
import { startMemberListener } from './member-listener.ts';

const log = pino({ level: 'silent' });
const secret = 'shown by members';

function segmentOf(instance: string): string {
  return `${instance}-0000000000001-00c0ffee.predictions`;
}

/** A member with a log of its own, and the leader that copies it. */
async function pair(options: { readonly shown?: string; readonly sealed?: ReadonlySet<string> } = {}) {
  const [there, here] = ['there', 'here'].map(name => mkdtempSync(join(tmpdir(), `holdfast-mirror-${name}-`)));
  if (there === undefined || here === undefined) throw new Error('no folders');
  const listener = await startMemberListener({
    ...{ host: '127.0.0.1', port: 0, secret: () => secret, log },
    routes: [logShelf(there, instance => instance === 'gateway-129')],
  });
  const members = [{ ordinal: 2, address: `http://127.0.0.1:${listener.port}` }];
  const sealed = new Set(options.sealed);
  const mirror = new LogMirror({
    ...{ directory: here, members: () => members, secret: options.shown ?? secret, log },
    isSealed: segment => sealed.has(segment),
  });
  return { there, here, members, mirror, sealed, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

test('a segment that grows is copied on from where its copy ends, and finished when it is finished', async () => {
  await using both = await pair();
  const segment = segmentOf('gateway-129');
  const open = join(both.there, `${segment}.open`);
  writeFileSync(open, 'first');
  expect(await both.mirror.step()).toBe(true);
  expect(await both.mirror.step()).toBe(false);
  // Bytes that were copied are not asked for again.
  writeFileSync(join(both.here, `${segment}.open`), 'FIRST');
  appendFileSync(open, ', second');
  expect(await both.mirror.step()).toBe(true);
  renameSync(open, join(both.there, `${segment}.log`));
  await both.mirror.step();
  expect(readdirSync(both.here)).toEqual([`${segment}.log`]);
  expect(readFileSync(join(both.here, `${segment}.log`), 'utf8')).toBe('FIRST, second');
});

test('what a dead writer left torn is cut from the copy too', async () => {
  await using both = await pair();
  const segment = segmentOf('gateway-129');
  const open = join(both.there, `${segment}.open`);
  writeFileSync(open, 'whole|to');
  await both.mirror.step();
  truncateSync(open, 5);
  renameSync(open, join(both.there, `${segment}.log`));
  await both.mirror.step();
  expect(readFileSync(join(both.here, `${segment}.log`), 'utf8')).toBe('whole');
});

test('a member keeps a segment until it is sealed and the leader has let go of its own copy', async () => {
  await using both = await pair();
  const segment = segmentOf('gateway-129');
  writeFileSync(join(both.there, `${segment}.log`), 'rows');
  await both.mirror.step();
  await both.mirror.step();
  expect(readdirSync(both.there)).toEqual([`${segment}.log`]);
  // Sealed, but the copy in the bucket is not there yet: the leader still has its file.
  both.sealed.add(segment);
  await both.mirror.step();
  expect(readdirSync(both.there)).toEqual([`${segment}.log`]);
  renameSync(join(both.here, `${segment}.log`), join(both.here, 'removed'));
  await both.mirror.step();
  expect(readdirSync(both.there)).toEqual([]);
});

test('a segment that is still written is never let go of', async () => {
  const segment = segmentOf('gateway-129');
  await using both = await pair({ sealed: new Set([segment]) });
  writeFileSync(join(both.there, `${segment}.open`), 'rows');
  await both.mirror.step();
  expect([readdirSync(both.there), readdirSync(both.here)]).toEqual([[`${segment}.open`], []]);
});

test('what a member copied from others, when it led, is not taken for its own', async () => {
  await using both = await pair();
  writeFileSync(join(both.there, `${segmentOf('gateway-65')}.log`), 'of another');
  expect(await both.mirror.step()).toBe(false);
  expect(readdirSync(both.here)).toEqual([]);
});

test('a member that cannot be reached keeps nobody from being copied', async () => {
  await using both = await pair();
  await using gone = await pair();
  both.members.push(...gone.members.map(({ address }) => ({ ordinal: 3, address })));
  await gone[Symbol.asyncDispose]();
  writeFileSync(join(both.there, `${segmentOf('gateway-129')}.log`), 'rows');
  expect(await both.mirror.step()).toBe(true);
  expect(readdirSync(both.here)).toHaveLength(1);
});

test('nothing is given to one who does not know the secret', async () => {
  await using both = await pair({ shown: 'guessed' });
  writeFileSync(join(both.there, `${segmentOf('gateway-129')}.log`), 'rows');
  expect(await both.mirror.step()).toBe(false);
  expect(readdirSync(both.here)).toEqual([]);
});

test('the shelf gives files of the log only', async () => {
  await using both = await pair();
  const [member] = both.members;
  writeFileSync(join(both.there, 'notes.txt'), 'private');
  for (const name of [
    'notes.txt',
    '..%2F..%2Fetc%2Fpasswd',
    encodeURIComponent(`../x/${segmentOf('gateway-129')}.log`),
  ]) {
    const response = await fetch(`${member?.address}/log/${name}`, { headers: { authorization: `Bearer ${secret}` } });
    expect(response.status).toBe(404);
  }
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connectionOf } from './kube-connection.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true }));
const base64 = (text: string): string => Buffer.from(text).toString('base64');

let files = 0;
function kubeconfig(user: string, more = ''): string {
  const path = join(folder, `config-${files++}`);
  writeFileSync(
    path,
    `
apiVersion: v1
kind: Config
current-context: here
clusters:
- name: c
  cluster: { server: "https://api.example:6443/k8s/one", certificate-authority-data: ${base64('CA')}, tls-server-name: kube }
- name: unused
  cluster: {}
contexts:
- { name: here, context: { cluster: c, user: u, namespace: tuning } }
- { name: there, context: { cluster: c, user: u } }
users:
- name: u
  user: ${user}
${more}`,
  );
  return path;
}

test('the current context says server, namespace, authority and name', () => {
  const connection = connectionOf({ kubeconfig: kubeconfig('{ token: t }') });
  expect(connection).toMatchObject({ namespace: 'tuning', ca: 'CA', serverName: 'kube', isInsecure: false });
  expect(connection.server.href).toBe('https://api.example:6443/k8s/one');
});

test('another context is chosen by name, and KUBECONFIG names the file', () => {
  const connection = connectionOf({ context: 'there' }, { KUBECONFIG: kubeconfig('{ token: t }') });
  expect(connection.namespace).toBe('default');
});

test.each([
  ['{ token: secret }', { authorization: 'Bearer secret' }],
  ['{ username: ann, password: pw }', { authorization: `Basic ${base64('ann:pw')}` }],
  [`{ client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')} }`, { cert: 'CERT', key: 'KEY' }],
  ['{}', {}],
])('a user %s becomes a credential', async (user, expected) => {
  expect(await connectionOf({ kubeconfig: kubeconfig(user) }).credential(false)).toEqual(expected);
});

test('a token file is read again for every call', async () => {
  const file = join(folder, 'token');
  writeFileSync(file, 'one\n');
  const { credential } = connectionOf({ kubeconfig: kubeconfig('{ tokenFile: token }') });
  expect(await credential(false)).toEqual({ authorization: 'Bearer one' });
  writeFileSync(file, 'two');
  expect(await credential(false)).toEqual({ authorization: 'Bearer two' });
});

test.each([
  [{ context: 'nowhere' }, /there is no context "nowhere"/],
  [{ kubeconfig: '/no/such/file' }, /there is no such file/],
])('what is not there is named: %j', (wanted, why) => {
  expect(() => connectionOf({ kubeconfig: kubeconfig('{}'), ...wanted })).toThrow(why);
});

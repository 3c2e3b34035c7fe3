import { readFile } from 'node:fs/promises';
import { fault } from '@holdfast/api';
import type { RemoteConfig } from '../../config/index.ts';

/** What a server is shown, and what it is checked against. */
export interface RemoteCredentials {
  /** The value of the header `Authorization`. */
  readonly authorization?: string;
  readonly certificateAuthority?: Buffer;
  readonly certificate?: Buffer;
  readonly key?: Buffer;
}

async function fileOf(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  return readFile(path).catch((error: unknown) => {
    throw fault('bad_configuration', 'remote.servers', `${path} cannot be read (${String(Object(error).code)})`);
  });
}

/**
 * What is configured for the server of this address; another server is shown nothing.
 * @throws Fault `model_rejected` when only listed servers are asked, `bad_configuration` when a secret is not there
 */
export async function credentialsFor(address: string, config: RemoteConfig): Promise<RemoteCredentials> {
  const server = Object.hasOwn(config.servers, address) ? config.servers[address] : undefined;
  if (server === undefined) {
    if (config.onlyListed)
      throw fault('model_rejected', `${address} is not among remote.servers, and only those are asked here`);
    return {};
  }
  const { tokenVariable } = server;
  const token = tokenVariable === undefined ? undefined : process.env[tokenVariable];
  if (tokenVariable !== undefined && (token === undefined || token === ''))
    throw fault('bad_configuration', `remote.servers.${address}`, `the variable ${tokenVariable} is not set`);
  const [certificateAuthority, certificate, key] = await Promise.all(
    [server.certificateAuthority, server.certificate, server.key].map(fileOf),
  );
  return {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(certificateAuthority && { certificateAuthority }),
    ...(certificate && { certificate }),
    ...(key && { key }),
  };
}

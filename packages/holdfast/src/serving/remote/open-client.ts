import type { RemoteConfig } from '../../config/index.ts';
import { credentialsFor } from './credentials.ts';
import { GrpcLine } from './grpc-line.ts';
import { HttpLine } from './http-line.ts';
import { OipGrpcClient } from './oip-grpc-client.ts';
import { OipHttpClient } from './oip-http-client.ts';
import type { RemoteClient } from './remote-client.ts';
import { parseRemoteSource } from './remote-source.ts';
import { TfsGrpcClient } from './tfs-grpc-client.ts';
import { TfsHttpClient } from './tfs-http-client.ts';

/** A client of the server that a source names. @throws Fault `model_rejected`, `bad_configuration` */
export async function openClient(source: string, config: RemoteConfig): Promise<RemoteClient> {
  const parsed = parseRemoteSource(source);
  const { protocol, transport, address, isEncrypted } = parsed;
  const credentials = await credentialsFor(address, config);
  if (transport === 'grpc') {
    const line = new GrpcLine(address, isEncrypted, credentials);
    return protocol === 'oip' ? new OipGrpcClient(parsed, line) : new TfsGrpcClient(parsed, line);
  }
  const line = new HttpLine(address, isEncrypted, credentials);
  return protocol === 'oip' ? new OipHttpClient(parsed, line) : new TfsHttpClient(parsed, line);
}

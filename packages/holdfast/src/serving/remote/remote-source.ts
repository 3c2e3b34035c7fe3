import { fault } from '@holdfast/api';

/** A model on another server, as `PROTOCOL+TRANSPORT://HOST:PORT/MODEL[/VERSION]` names it. */
export interface RemoteSource {
  readonly protocol: 'oip' | 'tfs';
  readonly transport: 'http' | 'grpc';
  readonly isEncrypted: boolean;
  /** Host and port, as it was written. */
  readonly address: string;
  readonly model: string;
  /** Undefined lets the other server choose. */
  readonly version: string | undefined;
}

const pattern = /^(oip|tfs)\+(http|grpc)(s?):\/\/([^/?#@\s]+)\/([^/?#\s]+)(?:\/([^/?#\s]+))?$/;
const forms =
  'a source is oip+http://HOST:PORT/MODEL, oip+grpc://..., tfs+http://... or tfs+grpc://..., with an s for TLS as in oip+https:// and with /VERSION behind it where one is meant';

/** @throws Fault `model_rejected` */
export function parseRemoteSource(source: string): RemoteSource {
  const [, protocol, transport, secure, address = '', model = '', version] = pattern.exec(source) ?? [];
  if (protocol === undefined || !URL.canParse(`http://${address}`))
    throw fault('model_rejected', `"${source.slice(0, 200)}" names no model on another server; ${forms}`);
  try {
    return {
      protocol: protocol === 'tfs' ? 'tfs' : 'oip',
      transport: transport === 'grpc' ? 'grpc' : 'http',
      isEncrypted: secure === 's',
      address,
      model: decodeURIComponent(model),
      version: version === undefined ? undefined : decodeURIComponent(version),
    };
  } catch {
    throw fault('model_rejected', `"${source.slice(0, 200)}" has a % that is not followed by two hexadecimal digits`);
  }
}

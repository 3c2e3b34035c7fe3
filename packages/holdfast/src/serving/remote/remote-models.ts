import { fault } from '@holdfast/api';
import type { RemoteConfig } from '../../config/index.ts';
import { differenceOf } from './fit-answer.ts';
import { openClient } from './open-client.ts';
import { RemoteFailure, type RemoteTensors } from './remote-client.ts';

const describeTimeoutMs = 5000;

/** What control asks the servers of versions that live elsewhere. */
export interface RemoteModels {
  /**
   * What the model takes and gives, as its server says.
   * @throws Fault `model_rejected` for a source that is none, or a server that does not answer
   */
  describe(source: string): Promise<RemoteTensors>;
  /**
   * Undefined when the server has what was registered, and why not when it is away.
   * @throws Fault `model_rejected` when it has something else by now
   */
  compare(source: string, registered: RemoteTensors): Promise<{ readonly away: string } | undefined>;
}

export function remoteModels(config: RemoteConfig): RemoteModels {
  const ask = async (source: string): Promise<RemoteTensors> => {
    const client = await openClient(source, config);
    try {
      return await client.describe(describeTimeoutMs);
    } finally {
      client.close();
    }
  };
  return {
    async describe(source) {
      try {
        return await ask(source);
      } catch (error) {
        if (!(error instanceof RemoteFailure)) throw error;
        throw fault('model_rejected', `the server of ${source} ${error.told}`);
      }
    },
    async compare(source, registered) {
      try {
        const difference = differenceOf(await ask(source), registered);
        if (difference === undefined) return undefined;
        throw fault('model_rejected', `the server of ${source} has another model by now: ${difference}`);
      } catch (error) {
        if (!(error instanceof RemoteFailure)) throw error;
        return { away: error.message };
      }
    },
  };
}

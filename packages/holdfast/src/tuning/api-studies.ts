import { ApiError, Fault, type FaultCode, faults, type HoldfastClient, type ScalarValue } from '@holdfast/api';
import type { Studies } from './studies.ts';
import type { StudyHandle, TrialOutcome } from './study-handle.ts';

function isFaultCode(code: string): code is FaultCode {
  return Object.hasOwn(faults, code);
}

/** A fault that the server named is a fault here too, so that callers need not know where the studies are. */
class ServerFault extends Fault {
  constructor(code: FaultCode, message: string) {
    super(code, [''], {});
    this.message = message;
  }
}

async function passed<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && isFaultCode(error.code)) throw new ServerFault(error.code, error.message);
    throw error;
  }
}

/** JSON has no NaN and no Infinity. */
function onWire(values: readonly number[]): (number | 'NaN' | 'Infinity' | '-Infinity')[] {
  return values.map(value => {
    if (Number.isFinite(value)) return value;
    return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  });
}

function outcomeOnWire(outcome: TrialOutcome) {
  if (outcome.kind !== 'complete') return outcome;
  const { values, constraints, ...rest } = outcome;
  return { ...rest, values: onWire(values), ...(constraints && { constraints: onWire(constraints) }) };
}

class ApiStudy implements StudyHandle {
  readonly name: string;
  readonly #client: HoldfastClient;

  constructor(client: HoldfastClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  ask(worker: string, signal?: AbortSignal) {
    const params = { study: this.name };
    return passed(this.#client.call('askTrial', { params, body: { worker }, ...(signal && { signal }) }));
  }

  report(number: number, claim: number, step: number, values: readonly number[]) {
    const params = { study: this.name, number };
    return passed(this.#client.call('reportStep', { params, body: { claim, step, values: onWire(values) } }));
  }

  async tell(number: number, claim: number, outcome: TrialOutcome): Promise<void> {
    const params = { study: this.name, number };
    await passed(this.#client.call('tellTrial', { params, body: { claim, outcome: outcomeOnWire(outcome) } }));
  }

  async heartbeat(number: number, claim: number): Promise<void> {
    await passed(this.#client.call('keepTrial', { params: { study: this.name, number }, body: { claim } }));
  }

  async release(number: number, claim: number): Promise<void> {
    await passed(this.#client.call('releaseTrial', { params: { study: this.name, number }, body: { claim } }));
  }

  async enqueue(params: Readonly<Record<string, ScalarValue>>): Promise<number> {
    const body = { params: { ...params } };
    return (await passed(this.#client.call('enqueueTrial', { params: { study: this.name }, body }))).number;
  }
}

/** The studies of a running Holdfast, over its control API. */
export function apiStudies(client: HoldfastClient): Studies {
  return {
    openStudy: request => passed(client.call('openStudy', { body: request })),
    study: name => new ApiStudy(client, name),
    list: () => passed(client.call('listStudies', {})),
    read: study => passed(client.call('readStudy', { params: { study } })),
    trials: (study, sinceRevision) =>
      passed(client.call('studyTrials', { params: { study }, query: { sinceRevision } })),
    importances: (study, query) => passed(client.call('studyImportances', { params: { study }, query })),
    remove: async study => {
      await passed(client.call('removeStudy', { params: { study } }));
    },
    noteRegistration: async (study, registration) => {
      await passed(client.call('noteRegistration', { params: { study }, body: registration }));
    },
  };
}

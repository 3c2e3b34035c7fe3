/** Every error this package throws: a stable code and a sentence that says what to do. */
export const tuneFaults = {
  empty_space: (): string => 'The space has no parameter; declare at least one.',
  bad_parameter: (name: string, why: string): string => `Parameter "${name}": ${why}.`,
  bad_condition: (name: string, why: string): string => `Condition of parameter "${name}": ${why}.`,
  bad_option: (option: string, why: string): string => `Option "${option}" ${why}.`,
  bad_params: (why: string): string => `These parameters do not fit the space: ${why}.`,
  bad_values: (why: string): string => `These values cannot be told: ${why}.`,
  bad_step: (why: string): string => `This report cannot be taken: ${why}.`,
  trial_not_found: (number: number): string => `The study has no trial ${number}.`,
  trial_not_running: (number: number, state: string): string =>
    `Trial ${number} is ${state}; only a running trial can be reported, told or kept alive.`,
  space_changed: (why: string): string =>
    `The space differs from the one the study was saved with (${why}); pass evolve: true to accept added choices, wider ranges and new parameters with a default.`,
  bad_snapshot: (why: string): string => `This study snapshot cannot be read: ${why}.`,
  unsupported_space: (sampler: string, why: string): string =>
    `The ${sampler} sampler cannot search this space: ${why}.`,
  not_positive_definite: (): string => 'The matrix is not positive definite, even with jitter added.',
  not_enough_trials: (needed: number, have: number): string =>
    `At least ${needed} finished trials with different values are needed; there are ${have}.`,
} as const;

export type TuneFaultCode = keyof typeof tuneFaults;

/** An error of the tuning library. `code` is stable, `message` is for people. */
export class TuneFault<C extends TuneFaultCode = TuneFaultCode> extends Error {
  override readonly name = 'TuneFault';
  readonly code: C;
  constructor(code: C, ...why: Parameters<(typeof tuneFaults)[C]>) {
    super((tuneFaults[code] as (...args: Parameters<(typeof tuneFaults)[C]>) => string)(...why));
    this.code = code;
  }
}

/** Why a study is finished, as a clause: `finished: all its trials have been run`. */
export function describeFinish(because: string): string {
  switch (because) {
    case 'trials':
      return 'all its trials have been run';
    case 'duration':
      return 'its time is spent';
    case 'cost':
      return 'its cost budget is spent';
    case 'exhausted':
      return 'every configuration has been tried';
    case 'terminator':
      return 'the gain that going on could bring no longer pays';
    case 'sampler':
      return 'the sampler has nothing left to propose';
    default:
      return because;
  }
}

import type { Command } from './command.ts';
import type { StartHoldfast } from './up.ts';

/** A word of the command line. What it does is loaded only when it is called, so that every other word starts fast. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly load: (start: StartHoldfast) => Promise<Command>;
}

/** In the order of the help. */
export const verbs: readonly Verb[] = [
  {
    name: 'up',
    summary:
      'Start serving, recording and watching; register the model files or folders given (ONNX, or anything that converts) when they are new.',
    load: async start => (await import('./up.ts')).upCommand(start),
  },
  {
    name: 'deploy',
    summary:
      'Register a model file or folder (ONNX, or anything that converts) as a new version and, once it is warm, move an alias to it. Several become one pipeline, each fed by the one before.',
    load: async () => (await import('./deploy.ts')).deployCommand,
  },
  {
    name: 'convert',
    summary:
      'Convert model files or folders of other frameworks to ONNX, check them against their source, and report. Several become one pipeline.',
    load: async () => (await import('./convert.ts')).convertCommand,
  },
  {
    name: 'models',
    summary: 'List the models, the versions and alias history of one, or where one version came from.',
    load: async () => (await import('./models.ts')).modelsCommand,
  },
  {
    name: 'status',
    summary: 'Show the processes, the recording and the models of a running Holdfast.',
    load: async () => (await import('./status.ts')).statusCommand,
  },
  {
    name: 'rollout',
    summary: 'Give a new version a growing share of the requests, judged against the champion at every step.',
    load: async () => (await import('./rollout.ts')).rolloutCommand,
  },
  {
    name: 'rollback',
    summary: 'Point the champion back at the version before; it is still warm, so this takes effect at once.',
    load: async () => (await import('./aliases.ts')).rollbackCommand,
  },
  {
    name: 'alias',
    summary: 'Point an alias at a version once that version is warm; --remove takes the alias away.',
    load: async () => (await import('./aliases.ts')).aliasCommand,
  },
  {
    name: 'deployment',
    summary: 'Show or change who answers beside the champion: shares, shadows and rules.',
    load: async () => (await import('./deployment.ts')).deploymentCommand,
  },
  {
    name: 'remove',
    summary: 'Remove a version, or a whole model with --all. Recorded predictions stay.',
    load: async () => (await import('./aliases.ts')).removeCommand,
  },
  {
    name: 'predictions',
    summary: 'Export recorded predictions, joined with the ground truth that has arrived.',
    load: async () => (await import('./predictions.ts')).predictionsCommand,
  },
  {
    name: 'alerts',
    summary: 'List alerts with the sentence that says why.',
    load: async () => (await import('./alerts.ts')).alertsCommand,
  },
  {
    name: 'tune',
    summary: 'Search the best parameters of a command or function; run it again to go on.',
    load: async () => (await import('./tune.ts')).tuneCommand,
  },
  {
    name: 'studies',
    summary: 'List the studies; show one with its trials, its best trial or what matters in it, export or remove it.',
    load: async () => (await import('./studies.ts')).studiesCommand,
  },
];

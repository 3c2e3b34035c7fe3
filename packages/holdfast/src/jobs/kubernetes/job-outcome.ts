import { constants } from 'node:os';
import type { JobEnd } from '../job.ts';
import { conditionOf, containerState, type KubeJob, type KubePod } from './objects.ts';

/** Reasons of a waiting container that time alone does not mend. */
const stuckReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);
/** Reasons of a container whose command could not be run at all. */
const notRunReasons = new Set(['StartError', 'ContainerCannotRun']);

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number as number, name]));

/** Whether a Job has ended, and how as far as the Job says. */
export function endOfJob(job: KubeJob): 'complete' | 'deadline' | 'failed' | undefined {
  const { conditions } = job.status;
  if (conditionOf(conditions, 'Complete') !== undefined) return 'complete';
  const failed = conditionOf(conditions, 'Failed');
  if (failed === undefined) return undefined;
  return failed.reason === 'DeadlineExceeded' ? 'deadline' : 'failed';
}

/** Why a pod does not start; undefined while it may. */
export function whyStuck(pod: KubePod): string | undefined {
  const waiting = containerState(pod)?.waiting;
  if (waiting === undefined || waiting === null || !stuckReasons.has(waiting.reason)) return undefined;
  return `${waiting.reason}${waiting.message === '' ? '' : `: ${waiting.message}`}`;
}

/** Why the command could not be run: the image has no such program, for one. */
export function whyNotRun(pod: KubePod): string | undefined {
  const ended = containerState(pod)?.terminated;
  if (ended === undefined || ended === null || !notRunReasons.has(ended.reason)) return undefined;
  return `${ended.reason}${ended.message === '' ? '' : `: ${ended.message.trim()}`}`;
}

/** True once there is a log to read. */
export function hasLog(pod: KubePod): boolean {
  const state = containerState(pod);
  return (state?.running ?? state?.terminated ?? undefined) !== undefined;
}

/** True when the container runs no more. */
export function hasEnded(pod: KubePod): boolean {
  const isOver = pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
  return isOver || (containerState(pod)?.terminated ?? undefined) !== undefined;
}

/**
 * How a failed Job ended, by its pod: lost when the cluster took the pod away (a node that went, an eviction, somebody's
 * `kubectl delete`), otherwise by what the command did itself.
 */
export function endOfPod(pod: KubePod | undefined): JobEnd {
  if (pod === undefined) return { kind: 'lost', why: 'its pod is gone' };
  const { status, metadata } = pod;
  const disrupted = conditionOf(status.conditions, 'DisruptionTarget');
  if (disrupted !== undefined) return { kind: 'lost', why: wordsOf(disrupted, 'its pod was disrupted') };
  if (metadata.deletionTimestamp !== undefined) return { kind: 'lost', why: 'its pod was deleted' };
  // A pod that the node gave up on has a reason of its own: Evicted, NodeLost, NodeShutdown, Preempting, ...
  if (status.reason !== '') return { kind: 'lost', why: wordsOf(status, 'its pod was given up') };
  const ended = containerState(pod)?.terminated;
  if (ended === undefined || ended === null) return { kind: 'lost', why: 'its container said no exit code' };
  if (ended.reason === 'OOMKilled') return { kind: 'killed', signal: 'SIGKILL for exceeding its memory limit' };
  const signal = ended.signal || (ended.exitCode > 128 ? ended.exitCode - 128 : 0);
  const name = signalNames.get(signal);
  return name === undefined ? { kind: 'exited', code: ended.exitCode } : { kind: 'killed', signal: name };
}

function wordsOf(
  { reason, message }: { readonly reason: string; readonly message: string },
  otherwise: string,
): string {
  if (reason === '' && message === '') return otherwise;
  return [reason, message].filter(text => text !== '').join(': ');
}

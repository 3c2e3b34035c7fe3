import type { BatchingConfig, QueuePolicy } from '../../config/index.ts';

/** What holds for one request while it waits. */
export interface QueueTerms {
  /** 1 goes first. */
  readonly level: number;
  /** Longest wait, in ms; undefined when only the deadline of the request ends it. */
  readonly timeoutMs: number | undefined;
  readonly onTimeout: 'reject' | 'delay';
  /** Requests of its level that may wait. */
  readonly maximumRequests: number;
}

const noPolicy: QueuePolicy = {};

/** 1 to `priorityLevels`; without levels all requests are of level 1. */
function levelOf({ priorityLevels, defaultPriority }: BatchingConfig, asked: number | undefined): number {
  if (priorityLevels === undefined) return 1;
  if (asked !== undefined && asked >= 1 && asked <= priorityLevels) return asked;
  return defaultPriority ?? Math.ceil(priorityLevels / 2);
}

/**
 * The policy of a request's priority, with its own time-out where that is shorter than the default one; the default is
 * what is left until the deadline when the policy has none.
 */
export function queueTermsOf(
  batching: BatchingConfig,
  asked: { readonly priority: number | undefined; readonly timeoutMs: number | undefined; readonly leftMs: number },
): QueueTerms {
  const level = levelOf(batching, asked.priority);
  const {
    timeoutMs: declared = 0,
    onTimeout = 'reject',
    allowTimeoutOverride = true,
    maximumRequests,
  } = {
    ...(batching.queuePolicy ?? noPolicy),
    ...batching.queuePolicies?.[String(level)],
  };
  const usualMs = declared > 0 ? declared : undefined;
  const isShorter = asked.timeoutMs !== undefined && asked.timeoutMs < (usualMs ?? asked.leftMs);
  return {
    level,
    timeoutMs: allowTimeoutOverride && isShorter ? asked.timeoutMs : usualMs,
    onTimeout,
    maximumRequests: maximumRequests ?? Number.POSITIVE_INFINITY,
  };
}

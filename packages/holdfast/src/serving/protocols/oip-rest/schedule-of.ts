import type { QueuePolicy } from '../../../config/index.ts';
import type { RoutedVersion } from '../../routing.ts';

function policy({
  timeoutMs = 0,
  onTimeout = 'reject',
  allowTimeoutOverride = true,
  maximumRequests = 0,
}: QueuePolicy) {
  return {
    timeout_action: onTimeout === 'delay' ? 'DELAY' : 'REJECT',
    default_timeout_microseconds: Math.round(timeoutMs * 1000),
    allow_timeout_override: allowTimeoutOverride,
    max_queue_size: maximumRequests,
  };
}

/** The schedule of a version that batches, as `dynamic_batching` of Triton's model configuration. */
export function dynamicBatchingOf({ batching }: Pick<RoutedVersion, 'batching'>): object {
  const { maximumDelayMs, preferredRows, priorityLevels, defaultPriority, queuePolicy, queuePolicies } = batching;
  const perLevel = Object.entries(queuePolicies ?? {}).map(
    ([level, own]) => [level, policy({ ...queuePolicy, ...own })] as const,
  );
  return {
    ...(preferredRows !== undefined && { preferred_batch_size: preferredRows }),
    max_queue_delay_microseconds: Math.round(maximumDelayMs * 1000),
    ...(priorityLevels !== undefined && {
      priority_levels: priorityLevels,
      default_priority_level: defaultPriority ?? Math.ceil(priorityLevels / 2),
    }),
    ...(queuePolicy !== undefined && { default_queue_policy: policy(queuePolicy) }),
    ...(perLevel.length > 0 && { priority_queue_policy: Object.fromEntries(perLevel) }),
  };
}

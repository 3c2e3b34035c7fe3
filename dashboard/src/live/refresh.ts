import type { LiveEvent } from '@holdfast/api';
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { listen } from './live-feed.ts';
import { throttle } from './throttle.ts';

/** Grows when the live connection came back, so that everything on the page is read again. */
export const recoveries = signal(0);

/** The shortest time between two reads of the same chart. */
const refreshMs = 1500;
/** How often a model that only answers traffic, without closing a window, is read again. */
const trafficRefreshMs = 4000;

/** Grows, at most every 1.5 s, when an event that `concerns` the reader happened. */
export function useRefresh(concerns: (event: LiveEvent) => boolean, key: string): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const quick = throttle(refreshMs, () => setTick(now => now + 1));
    const slow = throttle(trafficRefreshMs, quick.ask);
    const stop = listen(event => {
      if (!concerns(event)) return;
      if (event.kind === 'pulse') slow.ask();
      else quick.ask();
    });
    return () => {
      stop();
      quick.cancel();
      slow.cancel();
    };
  }, [key]);
  return tick + recoveries.value;
}

/** Whether an event may change what the page of a model shows. */
export function concernsModel(name: string): (event: LiveEvent) => boolean {
  return event => {
    switch (event.kind) {
      case 'pulse':
        return event.models.some(model => model.name === name && model.traffic.rowsPerSecond > 0);
      case 'window':
      case 'registry':
        return event.model === name;
      case 'alert':
        return event.alert.model === name;
      case 'study':
      case 'rollout':
        // Its panel listens itself; what else the page shows changes with the registry.
        return false;
      default:
        return event satisfies never;
    }
  };
}

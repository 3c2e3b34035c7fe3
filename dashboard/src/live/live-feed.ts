import { type LiveEvent, liveEventSchema, type ModelSummary, type RecordingStatus, routes } from '@holdfast/api';
import { batch, signal } from '@preact/signals';
import { type PulseHistory, withPulse } from './pulse-history.ts';
import { type Connection, keepOpen } from './reconnecting-source.ts';

export const connection = signal<Connection>('connecting');
/** The fleet as the last pulse told it; undefined before the first one. */
export const fleet = signal<readonly ModelSummary[] | undefined>(undefined);
export const recording = signal<RecordingStatus | undefined>(undefined);
export const pulses = signal<PulseHistory>(new Map());
/** Time of the last pulse by the server's clock. */
export const pulseAtMs = signal(0);

type Listener = (event: LiveEvent) => void;
const listeners = new Set<Listener>();

/** Hears every live event until the returned function is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** What the fleet looks like before the first pulse, from a plain read. */
export function seedFleet(models: readonly ModelSummary[], status: RecordingStatus, atMs: number): void {
  if (fleet.value !== undefined) return;
  batch(() => {
    fleet.value = models;
    recording.value = status;
    pulseAtMs.value = atMs;
  });
}

function hear(text: string): void {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return;
  }
  const parsed = liveEventSchema.safeParse(raw);
  // A newer server may tell more kinds of events than this page knows.
  if (!parsed.success) return;
  const event = parsed.data;
  if (event.kind === 'pulse') {
    batch(() => {
      fleet.value = event.models;
      recording.value = event.recording;
      pulses.value = withPulse(pulses.value, event.models);
      pulseAtMs.value = event.atMs;
    });
  }
  for (const listener of listeners) listener(event);
}

/** Opens the live connection for the life of the page; after a gap everything is announced as possibly changed. */
export function startLiveFeed(onRecovered: () => void): () => void {
  let wasLost = false;
  return keepOpen(
    () => new EventSource(routes.events.path),
    hear,
    now => {
      if (now === 'reconnecting') wasLost = true;
      if (now === 'live' && wasLost) {
        wasLost = false;
        onRecovered();
      }
      connection.value = now;
    },
  );
}

import type { LiveEvent } from '@holdfast/api';

type Listener = (event: LiveEvent) => void;

/** Passes live events to everybody who listens now; nothing is kept. */
export class EventBus {
  readonly #listeners = new Set<Listener>();

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  emit(event: LiveEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

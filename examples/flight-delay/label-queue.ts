const minuteMs = 60_000;
const slotMs = 10 * minuteMs;

/** How long a flight takes from gate to gate: half an hour on the ground, and the distance at 450 miles per hour. */
export function flightTimeMs(distanceMiles: number): number {
  return (30 + distanceMiles / 7.5) * minuteMs;
}

/** Labels on their way: each becomes known at its own moment and is handed out from then on, oldest first. */
export class LabelQueue {
  readonly #slots = new Map<number, string[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * @param knownMs when the truth is known, ms since epoch, in any order
   * @param predictionId the prediction that it belongs to
   */
  add(predictionId: string, value: 0 | 1, knownMs: number): void {
    const slot = Math.ceil(knownMs / slotMs);
    const line = `{"prediction_id":${JSON.stringify(predictionId)},"value":${value},"event_time":${Math.round(knownMs)}}\n`;
    const waiting = this.#slots.get(slot);
    if (waiting === undefined) this.#slots.set(slot, [line]);
    else waiting.push(line);
    this.#size++;
  }

  /** How many are known at a moment; up to ten minutes late, never early. */
  dueAt(nowMs: number): number {
    let due = 0;
    for (const [slot, lines] of this.#slots) if (slot * slotMs <= nowMs) due += lines.length;
    return due;
  }

  /** Removes and returns what is known at a moment, at most `limit` lines of NDJSON. */
  takeDue(nowMs: number, limit: number): string[] {
    const taken: string[] = [];
    const dueSlots = [...this.#slots.keys()].filter(slot => slot * slotMs <= nowMs).sort((a, b) => a - b);
    for (const slot of dueSlots) {
      const lines = this.#slots.get(slot)!;
      taken.push(...lines.splice(0, limit - taken.length));
      if (lines.length > 0) break;
      this.#slots.delete(slot);
    }
    this.#size -= taken.length;
    return taken;
  }
}

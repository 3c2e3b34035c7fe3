import { Fault, type FaultCode, fault } from '@holdfast/api';
import type { ControlDoor, Question } from './control-door.ts';
import { Refusal } from './refusal.ts';
import type { VersionStatistics } from './statistics.ts';

/** A question on its way to control. */
export interface Asked {
  readonly kind: 'ask';
  readonly id: number;
  readonly question: Question;
}

/** What control says to it. */
export type Answered =
  | { readonly kind: 'answer'; readonly id: number; readonly statistics: readonly VersionStatistics[] }
  | { readonly kind: 'declined'; readonly id: number; readonly code: FaultCode; readonly text: string };

/** Loading a model may take its time; everything else is quick. */
const loadTimeoutMs = 180_000;
const askTimeoutMs = 30_000;
/** Questions on their way at a time. */
const mostQuestions = 64;

interface Waiting {
  readonly resolve: (statistics: readonly VersionStatistics[]) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** The gateway's end of the door to control: questions and answers over the channel between the two processes. */
export class ControlLine implements ControlDoor {
  readonly #tell: (asked: Asked) => void;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(tell: (asked: Asked) => void) {
    this.#tell = tell;
  }

  ask(question: Question): Promise<readonly VersionStatistics[]> {
    if (this.#waiting.size >= mostQuestions) throw fault('overloaded', 1000);
    const id = this.#nextId++;
    const timeoutMs = question.kind === 'load' ? loadTimeoutMs : askTimeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(fault('deadline_exceeded', timeoutMs));
      }, timeoutMs);
      timer.unref();
      this.#waiting.set(id, { resolve, reject, timer });
      this.#tell({ kind: 'ask', id, question });
    });
  }

  answered(answer: Answered): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.kind === 'answer') waiting.resolve(answer.statistics);
    else waiting.reject(new Refusal(answer.code, answer.text));
  }
}

/** Control's answer to a question, whatever comes of it. */
export async function answerTo({ id, question }: Asked, door: ControlDoor): Promise<Answered> {
  try {
    return { kind: 'answer', id, statistics: await door.ask(question) };
  } catch (error) {
    if (error instanceof Fault) return { kind: 'declined', id, code: error.code, text: error.message };
    throw error;
  }
}

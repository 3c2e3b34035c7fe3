import type { RolloutDecision } from '@holdfast/api';
import type { ArmReport } from '../serving/index.ts';
import { settingsOf } from './judge/checks.ts';
import {
  type ArmCounts,
  addBlock,
  addLabels,
  blockOf,
  type EvidenceSettings,
  type LabelEvidence,
  noEvidence,
  type StepEvidence,
} from './judge/evidence.ts';
import { judgeStep, type Recent } from './judge/judge-step.ts';
import { elapsedOf, type RolloutState } from './rollout-state.ts';
import type { RolloutOrder, StoredEvidence } from './rollout-store.ts';

const recentMs = 60_000;
/** What waits for the other version's requests is counted at the latest when it is this much. */
const mostWaiting = 50;

interface RecentBlock {
  readonly atMs: number;
  readonly champion: Recent;
  readonly challenger: Recent;
}

function recentOf({ requests, errors }: ArmCounts): Recent {
  return { requests, errors };
}

/** What is known of an open rollout between two ticks: its state, and the evidence of the present step. */
export class RunningRollout {
  readonly order: RolloutOrder;
  readonly release: string;
  readonly #settings: EvidenceSettings;
  #state: RolloutState;
  #evidence: StepEvidence;
  #waiting: ArmReport[] = [];
  #recent: RecentBlock[] = [];
  decision: RolloutDecision | undefined;
  /** Its version while it is being loaded. */
  loading: Promise<void> | undefined;

  constructor(order: RolloutOrder, state: RolloutState, evidence: StepEvidence | undefined) {
    this.order = order;
    this.release = releaseOf(order.id);
    this.#settings = settingsOf(order.spec.judge);
    this.#state = state;
    this.#evidence = evidence ?? noEvidence(this.#settings);
  }

  get state(): RolloutState {
    return this.#state;
  }

  get evidence(): StepEvidence {
    return this.#evidence;
  }

  /** What a restart goes on with. */
  known(nowMs: number): StoredEvidence {
    return { evidence: this.#evidence, elapsedMs: elapsedOf(this.#state, nowMs), atMs: nowMs };
  }

  /** A new stage starts from nothing. */
  become(state: RolloutState): void {
    if (state.stage !== this.#state.stage) {
      this.#evidence = noEvidence(this.#settings);
      this.#waiting = [];
      this.decision = undefined;
    }
    this.#state = state;
  }

  /** Reports of a stage that is over say nothing about this one. */
  take(report: ArmReport): void {
    if (report.release === this.release && report.stage === this.#state.stage) this.#waiting.push(report);
  }

  takeLabels(labels: LabelEvidence, stage: number): void {
    if (stage === this.#state.stage) this.#evidence = addLabels(this.#evidence, labels, this.#settings);
  }

  /** Counts what was reported, once both versions have requests in it; true when there was something. */
  digest(nowMs: number): boolean {
    const step = this.order.steps[this.#state.step];
    if (this.#waiting.length === 0 || step === undefined) return false;
    const block = blockOf(this.#waiting, this.order.challenger, step.kind);
    const [a, b] = [block.champion.requests, block.challenger.requests];
    if (Math.min(a, b) === 0 && Math.max(a, b) < mostWaiting) return false;
    this.#waiting = [];
    this.#evidence = addBlock(this.#evidence, block, this.#settings);
    this.#recent.push({ atMs: nowMs, champion: recentOf(block.champion), challenger: recentOf(block.challenger) });
    return true;
  }

  /** Both versions in the last minute. */
  #lastMinute(nowMs: number): { readonly champion: Recent; readonly challenger: Recent } {
    this.#recent = this.#recent.filter(({ atMs }) => atMs > nowMs - recentMs);
    const sum = (arm: 'champion' | 'challenger'): Recent => ({
      requests: this.#recent.reduce((total, block) => total + block[arm].requests, 0),
      errors: this.#recent.reduce((total, block) => total + block[arm].errors, 0),
    });
    return { champion: sum('champion'), challenger: sum('challenger') };
  }

  judge(nowMs: number): RolloutDecision | undefined {
    const { steps, spec } = this.order;
    const step = steps[this.#state.step];
    if (step === undefined) return undefined;
    const elapsedMs = elapsedOf(this.#state, nowMs);
    const recent = this.#lastMinute(nowMs);
    this.decision = judgeStep({ judge: spec.judge, steps, step, elapsedMs, nowMs, evidence: this.#evidence, recent });
    return this.decision;
  }
}

/** The name of a rollout in metrics and records. */
export function releaseOf(id: number): string {
  return `rollout-${id}`;
}

import { createHash } from 'node:crypto';
import type { MonitoredModel } from './monitored-model.ts';
import type { BaselineProfile } from './profiles/reference.ts';
import { versionReference } from './profiles/version-reference.ts';
import { loadReferences, type StoredReference, saveReference } from './store/reference-store.ts';
import {
  loadLearning,
  loadMinutes,
  loadModelState,
  loadOpenWindows,
  saveClosed,
  saveLearning,
  saveMinutes,
  saveModel,
  type WatchDatabase,
} from './store/watch-store.ts';
import { LearningBuffer } from './windows/learning-buffer.ts';
import { ModelWatch, type WatchedVersion } from './windows/model-watch.ts';

/** Numbers new references; shared by all models of a database. */
export type ReferenceIds = () => number;

/** One model in memory: its windows, the references of its versions, and what of both is not stored yet. */
export class ModelEntry {
  readonly watch: ModelWatch;
  readonly references: Map<number, StoredReference>;
  readonly #versions = new Map<number, WatchedVersion>();
  readonly #newReferences: StoredReference[] = [];
  readonly #learningChanged = new Set<number>();
  readonly #nextId: ReferenceIds;
  #hasChanged = false;

  private constructor(
    watch: (entry: ModelEntry) => ModelWatch,
    references: Map<number, StoredReference>,
    nextId: ReferenceIds,
  ) {
    this.references = references;
    this.#nextId = nextId;
    this.watch = watch(this);
  }

  /** Loads a model as it was last stored; `versions` are all of its versions that are watched now. */
  static async load(db: WatchDatabase, versions: readonly MonitoredModel[], nextId: ReferenceIds): Promise<ModelEntry> {
    const [first] = versions;
    if (first === undefined) throw new RangeError('A model has at least one version.');
    const model = first.name;
    const references = await loadReferences(db, model);
    const state = await loadModelState(db, model);
    const open = await loadOpenWindows(db, model, references);
    const entry = new ModelEntry(
      self => new ModelWatch(model, first.monitors, (version, baseline) => self.#register(version, baseline), state),
      references,
      nextId,
    );
    for (const { series, startMs, endMs, version, tally } of open) {
      entry.watch.restoreOpen(series, startMs, endMs, version, tally);
    }
    const { rebuildsFromMs } = entry.watch;
    if (rebuildsFromMs !== null) {
      for (const minute of await loadMinutes(db, model, rebuildsFromMs, references)) entry.watch.restoreMinute(minute);
      entry.#hasChanged = true;
    }
    for (const version of versions) await entry.#loadVersion(db, version);
    return entry;
  }

  async #loadVersion(db: WatchDatabase, version: MonitoredModel): Promise<void> {
    const stored = [...this.references.values()].filter(reference => reference.version === version.version);
    if (version.baseline !== undefined) {
      const digest = digestOf(version.baseline);
      const reference =
        stored.find(one => one.digest === digest) ?? this.#register(version.version, version.baseline, digest);
      this.#versions.set(version.version, { reference, learning: undefined });
      return;
    }
    const reference = stored.findLast(one => one.baseline.source === 'live');
    const learning =
      reference === undefined
        ? ((await loadLearning(db, version.name, version.version, version.signature)) ??
          new LearningBuffer(version.signature))
        : undefined;
    this.#versions.set(version.version, { reference, learning });
  }

  #register(version: number, baseline: BaselineProfile, digest = digestOf(baseline)): StoredReference {
    const reference = { ...versionReference(this.#nextId(), baseline), version, digest };
    this.references.set(reference.id, reference);
    this.#newReferences.push(reference);
    this.#hasChanged = true;
    return reference;
  }

  /** What a version's rows are compared with; undefined for a version that is not watched. */
  version(version: number): WatchedVersion | undefined {
    return this.#versions.get(version);
  }

  /** To be called when rows, errors or time were added. */
  changed(version?: number): void {
    this.#hasChanged = true;
    if (version !== undefined) this.#learningChanged.add(version);
  }

  /** Stores everything that changed, inside the caller's transaction. */
  async save(db: WatchDatabase): Promise<void> {
    const closed = this.watch.takeClosed();
    if (!this.#hasChanged && closed.length === 0) return;
    const { model, bucketMs } = this.watch;
    for (const reference of this.#newReferences.splice(0)) await saveReference(db, model, reference);
    await saveMinutes(db, model, bucketMs, this.watch.takeMinutes(), this.references);
    await saveClosed(db, model, closed);
    await saveModel(db, this.watch);
    for (const version of this.#learningChanged) {
      await saveLearning(db, model, version, this.#versions.get(version)?.learning);
    }
    this.#learningChanged.clear();
    this.#hasChanged = false;
  }
}

function digestOf(baseline: BaselineProfile): string {
  return createHash('sha256').update(JSON.stringify(baseline)).digest('hex');
}

import {
  type Alias,
  type ConversionResult,
  type CreateVersionResponse,
  champion,
  type createVersionSchema,
  type Digest,
  type Ensemble,
  type EnsembleStep,
  fault,
  type ModelName,
  type ModelVersion,
  type Signature,
  type TensorSpec,
} from '@holdfast/api';
import type { z } from 'zod';
import { type BlobStore, type Change, type RegisteredVersion, type Registry, withMeaning } from '../registry/index.ts';
import type { RemoteModels } from '../serving/index.ts';
import { ensembleProvenance, isEnsemble } from './ensemble-definition.ts';
import { ensembleTensors } from './ensemble-signature.ts';
import type { Fleet } from './fleet.ts';
import { type ConvertSource, type CreateRequest, importSource, readConversion, sourceOf } from './model-source.ts';
import { remoteOf, remoteProvenance } from './remote-version.ts';

/** A model file that was loaded and run under limits before it may become a version. */
export interface ValidatedModel {
  /** The graph as it will be served. */
  readonly bytes: Uint8Array;
  /** What was changed on import, one sentence each. */
  readonly changes: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly featureNames: readonly string[];
  /** What the file says about itself: producer, opset, ... */
  readonly facts: Readonly<Record<string, string>>;
}

export interface BaselineRequest {
  readonly path: string;
  readonly format: 'csv' | 'parquet' | 'jsonl';
  readonly signature: Signature;
  readonly truthColumn: string | undefined;
  readonly timeColumn: string | undefined;
  /** The graph, to score the rows with when the file has no outputs. */
  readonly modelPath: string;
  /** The server that scores them instead. */
  readonly remote: string | undefined;
}

export interface PreparedBaseline {
  /** The profile as JSON. */
  readonly json: string;
  readonly rows: number;
}

export interface PublisherOptions {
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly fleet: Fleet;
  /** Converts a source that is not ONNX. @throws Fault `model_rejected` */
  readonly convert: ConvertSource;
  readonly remotes: Pick<RemoteModels, 'describe'>;
  /** @throws Fault `model_rejected` */
  readonly validate: (path: string) => Promise<ValidatedModel>;
  /** @throws Fault `baseline_rejected` */
  readonly prepareBaseline: (request: BaselineRequest) => Promise<PreparedBaseline>;
}

/** What the control API shows of a version: the registry's row, its state and the aliases that point at it. */
export function describeVersion(
  version: RegisteredVersion,
  aliases: readonly { readonly alias: Alias; readonly version: number }[],
  live: { readonly state: ModelVersion['state']; readonly reason: string | undefined },
): ModelVersion {
  return {
    model: version.model,
    version: version.version,
    digest: version.digest,
    bytes: version.bytes,
    signature: version.signature,
    state: version.quarantine !== undefined && live.state === 'unloaded' ? 'quarantined' : live.state,
    ...((live.reason ?? version.quarantine) !== undefined && { reason: live.reason ?? version.quarantine }),
    aliases: aliases.filter(target => target.version === version.version).map(target => target.alias),
    ...(version.baseline && { baselineDigest: version.baseline.digest, baselineRows: version.baseline.rows }),
    provenance: { ...version.provenance },
    createdAtMs: version.createdAtMs,
  };
}

/** Turns uploaded artifacts into versions: validate, prepare the baseline, register, and move the alias. */
export class Publisher {
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Registers a version and moves the wanted alias to it. The same artifact and baseline again is the same version.
   *
   * @throws Fault `artifact_not_found`, `model_rejected`, `baseline_rejected`, `version_exists`
   */
  async publish(model: ModelName, request: CreateRequest, change: Change): Promise<CreateVersionResponse> {
    const { registry, fleet } = this.#options;
    const same = await this.findKnown(model, request);
    const isKnown = same !== undefined && (request.version ?? same) === same;
    const version = isKnown ? same : (await this.#register(model, request)).version;
    const alias = request.alias === undefined ? champion : request.alias;
    const holder = (await registry.aliases(model)).find(target => target.alias === alias)?.version;
    if (alias !== null && holder !== version) await fleet.moveAlias(model, alias, version, change);
    else await fleet.announce(model);
    return { version: await this.describe(model, version), created: !isKnown };
  }

  /** The version made from the same source and baseline, when there is one. */
  async findKnown(model: ModelName, request: CreateRequest): Promise<number | undefined> {
    const { registry, blobs } = this.#options;
    const source = await sourceOf(blobs, request);
    return registry.findSame(model, source.digest, request.baseline?.artifact);
  }

  /**
   * Registers an ensemble whose models are registered, and makes it the champion. The same definition again, or one
   * that was taken back, changes nothing.
   *
   * @throws Fault `model_rejected` when its steps do not fit together, `model_not_found` and alike for its models
   */
  async publishEnsemble(model: ModelName, ensemble: Ensemble, change: Change): Promise<void> {
    const { registry, blobs, fleet } = this.#options;
    const { digest, bytes } = await blobs.put([Buffer.from(JSON.stringify(ensemble))]);
    if ((await registry.findSame(model, digest, undefined)) !== undefined) return;
    const signatures = new Map<EnsembleStep, Signature>();
    for (const step of ensemble.steps) signatures.set(step, await this.#signatureOf(model, step));
    const tensors = ensembleTensors(ensemble, step => signatures.get(step)!);
    const { version } = await registry.createVersion(model, {
      digest,
      sourceDigest: digest,
      bytes,
      signature: withMeaning(tensors),
      provenance: ensembleProvenance(ensemble),
      baseline: undefined,
    });
    await fleet.moveAlias(model, champion, version, change);
  }

  async #signatureOf(ensemble: ModelName, { model, version }: EnsembleStep): Promise<Signature> {
    const { registry } = this.#options;
    if (model === ensemble) throw fault('model_rejected', 'an ensemble cannot be a step of itself');
    let number = version;
    if (typeof number !== 'number') {
      await registry.versions(model);
      const target = (await registry.aliases(model)).find(({ alias }) => alias === version);
      if (target === undefined) throw fault('alias_not_found', model, number);
      number = target.version;
    }
    const found = await registry.version(model, number);
    if (isEnsemble(found)) throw fault('model_rejected', `"${model}" is an ensemble; name the models it is made of`);
    return found.signature;
  }

  /** Whether this number is taken by a version of the same source. */
  async isRegistered(model: ModelName, version: number, request: CreateRequest): Promise<boolean> {
    const { registry, blobs } = this.#options;
    if (!(await registry.modelNames()).includes(model)) return false;
    const known = (await registry.versions(model)).find(candidate => candidate.version === version);
    return known !== undefined && known.sourceDigest === (await sourceOf(blobs, request)).digest;
  }

  /** How a version's source was converted. @throws Fault `not_found` when it was ONNX already */
  async conversion(model: ModelName, version: number): Promise<ConversionResult> {
    const { registry, blobs } = this.#options;
    const { provenance } = await registry.version(model, version);
    return readConversion(blobs, provenance, `A conversion report of ${model} version ${version}`);
  }

  /** @throws Fault `model_not_found` or `version_not_found` */
  async describe(model: ModelName, version: number): Promise<ModelVersion> {
    const { registry, fleet } = this.#options;
    return describeVersion(
      await registry.version(model, version),
      await registry.aliases(model),
      fleet.stateOf(model, version),
    );
  }

  async #register(model: ModelName, request: CreateRequest): Promise<RegisteredVersion> {
    const { registry, blobs, validate, convert } = this.#options;
    const source = await sourceOf(blobs, request);
    if (request.baseline !== undefined) await blobs.sizeOf(request.baseline.artifact);
    const remote = await remoteOf(source);
    if (remote !== undefined) return this.#registerRemote(model, request, source.digest, remote);
    await using imported = await importSource(source, { convert, blobs });
    const validated = await validate(imported.path);
    const prepared = await blobs.put([validated.bytes]);
    const signature = withMeaning(validated, {
      featureNames: validated.featureNames,
      task: request.task,
      labels: request.labels,
    });
    const baseline = request.baseline && (await this.#baseline(request.baseline, signature, prepared));
    return registry.createVersion(
      model,
      {
        digest: prepared.digest,
        sourceDigest: source.digest,
        bytes: prepared.bytes,
        signature,
        provenance: {
          ...request.provenance,
          ...validated.facts,
          ...(request.fileName !== undefined && { file: request.fileName }),
          source: source.digest,
          ...imported.provenance,
          ...(validated.changes.length > 0 && { changes: validated.changes.join(' ') }),
        },
        baseline,
      },
      request.version,
    );
  }

  /** A version that another server answers: its tensors are asked for, nothing of it is stored. */
  async #registerRemote(
    model: ModelName,
    request: CreateRequest,
    digest: Digest,
    remote: string,
  ): Promise<RegisteredVersion> {
    const { registry, blobs } = this.#options;
    const tensors = await this.#options.remotes.describe(remote);
    const signature = withMeaning(tensors, { task: request.task, labels: request.labels });
    const bytes = await blobs.sizeOf(digest);
    const baseline = request.baseline && (await this.#baseline(request.baseline, signature, { digest, remote }));
    const provenance = { ...request.provenance, ...remoteProvenance(remote), source: digest };
    const contents = { digest, sourceDigest: digest, bytes, signature, provenance, baseline };
    return registry.createVersion(model, contents, request.version);
  }

  async #baseline(
    request: NonNullable<z.output<typeof createVersionSchema>['baseline']>,
    signature: Signature,
    { digest, remote }: { readonly digest: Digest; readonly remote?: string },
  ): Promise<RegisteredVersion['baseline']> {
    const { blobs, prepareBaseline } = this.#options;
    const { json, rows } = await prepareBaseline({
      path: await blobs.locate(request.artifact),
      format: request.format,
      signature,
      truthColumn: request.truthColumn,
      timeColumn: request.timeColumn,
      modelPath: await blobs.locate(digest),
      remote,
    });
    const profile = await blobs.put([Buffer.from(json)]);
    return { digest: request.artifact, profileDigest: profile.digest, rows };
  }
}

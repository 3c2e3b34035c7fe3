import { z } from 'zod';
import type { ServingClock } from '../../clock.ts';
import type { ControlDoor } from '../../control-door.ts';
import { type GrpcCaller, type GrpcOutcome, GrpcPrediction } from '../../grpc/grpc-call.ts';
import type { GrpcMethod } from '../../grpc/grpc-method.ts';
import type { MethodCodec, ProtoCatalog } from '../../grpc/proto-catalog.ts';
import { type GrpcStatus, statusOf } from '../../grpc/status.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import { badRequest } from '../../refusal.ts';
import type { Traffic } from '../../traffic/traffic.ts';
import type { PredictProtocol } from '../protocol.ts';
import { tensorsOfExamples } from '../tfs/examples.ts';
import { checkClassifies, checkRegresses, classificationsOf, regressionsOf } from '../tfs/scores.ts';
import { metadataOf, statusOf as versionStatus } from '../tfs-rest/metadata.ts';
import { signatureName } from '../tfs-rest/predict-request.ts';
import { unresolvedTfs, versionsAsked } from '../tfs-rest/words.ts';
import { type ExampleRows, inputSchema, rowsOf } from './example-input.ts';
import { checkSignature, type ModelSpec, modelSpecSchema, selectorOf } from './model-spec.ts';
import {
  checkOutputs,
  inputsOf,
  type PredictRequest,
  readPredictMessage,
  writePredictMessage,
} from './predict-messages.ts';
import { reloadModels } from './reload-models.ts';

export interface TfsGrpcOptions {
  readonly path: PredictionPath;
  readonly traffic: Traffic;
  readonly clock: ServingClock;
  readonly protos: ProtoCatalog;
  readonly control: ControlDoor;
  /** Whether clients may load and unload models. */
  readonly mayControl: boolean;
}

const prediction = '/tensorflow.serving.PredictionService/';
const models = '/tensorflow.serving.ModelService/';

const predict: PredictProtocol<readonly string[], Buffer, GrpcStatus, GrpcPrediction<PredictRequest>> = {
  unresolved: unresolvedTfs,
  decode(_body, { request }, model, signature) {
    checkSignature(request.spec);
    const inputs = inputsOf(request, model, signature);
    checkOutputs(request, signature);
    return { inputs, id: undefined, timeout: undefined, priority: undefined, context: request.outputs };
  },
  encode: writePredictMessage,
  refuse: statusOf,
};

type Method = 'classify' | 'regress';

interface ScoreRequest {
  readonly method: Method;
  readonly spec: ModelSpec;
  readonly rows: ExampleRows;
}

/** Messages of classify and regress are objects by the .proto files. */
const score: PredictProtocol<Method, object, GrpcStatus, GrpcPrediction<ScoreRequest, object>> = {
  unresolved: unresolvedTfs,
  decode(_body, { request }, _model, signature) {
    const { method, spec, rows } = request;
    checkSignature(spec);
    if (method === 'classify') checkClassifies(signature);
    else checkRegresses(signature);
    const inputs = tensorsOfExamples(rows.examples, rows.context, signature);
    return { inputs, id: undefined, timeout: undefined, priority: undefined, context: method };
  },
  encode({ served, outputs }, method) {
    const { signature, model, version } = served;
    const result =
      method === 'classify'
        ? { classifications: classificationsOf(outputs, signature).map(classes => ({ classes })) }
        : { regressions: regressionsOf(outputs, signature).map(value => ({ value })) };
    return { result, model_spec: { name: model, version: { value: version }, signature_name: signatureName } };
  },
  refuse: statusOf,
};

const scoreSchema = z.object({ model_spec: modelSpecSchema, input: inputSchema });
const multiSchema = z.object({
  tasks: z.array(z.object({ model_spec: modelSpecSchema, method_name: z.string() })),
  input: inputSchema,
});
const metadataSchema = z.object({ model_spec: modelSpecSchema, metadata_field: z.array(z.string()) });
const statusSchema = z.object({ model_spec: modelSpecSchema });
const answerSchema = z.object({ result: z.unknown(), model_spec: z.unknown() });

const methodNames: Readonly<Record<string, Method>> = {
  'tensorflow/serving/classify': 'classify',
  'tensorflow/serving/regress': 'regress',
};

type Settle = (outcome: GrpcOutcome) => void;

/** TensorFlow Serving's PredictionService and ModelService. */
class TfsGrpc {
  readonly #options: TfsGrpcOptions;

  constructor(options: TfsGrpcOptions) {
    this.#options = options;
  }

  methods(): GrpcMethod[] {
    const { traffic, control, mayControl } = this.#options;
    return [
      {
        kind: 'prediction',
        path: `${prediction}Predict`,
        predict: (body, caller, settle) => this.#predict(body, caller, settle),
      },
      this.#scoring('Classify', 'classify'),
      this.#scoring('Regress', 'regress'),
      this.#multiInference(),
      { kind: 'unary', path: `${prediction}GetModelMetadata`, answer: request => this.#metadata(request) },
      {
        kind: 'unary',
        path: `${models}GetModelStatus`,
        answer: request => {
          const spec = statusSchema.parse(request).model_spec;
          const { model_version_status: versions } = versionStatus(versionsAsked(traffic, spec.name, selectorOf(spec)));
          return {
            model_version_status: versions.map(({ status, ...version }) => ({
              ...version,
              // 2 is UNKNOWN in TensorFlow's list of codes.
              status: { error_code: status.error_code === 'OK' ? 0 : 2, error_message: status.error_message },
            })),
          };
        },
      },
      {
        kind: 'unary',
        path: `${models}HandleReloadConfigRequest`,
        answer: request => reloadModels(request, { traffic, control, mayControl }),
      },
    ];
  }

  #predict(body: Buffer, caller: GrpcCaller, settle: Settle): Promise<void> {
    const { path, clock } = this.#options;
    const request = readPredictMessage(body);
    const selector = selectorOf(request.spec);
    return path.predict(
      new GrpcPrediction(caller, { request, body }, clock, settle),
      predict,
      request.spec.name,
      selector,
    );
  }

  #score(
    request: ScoreRequest,
    body: Buffer,
    caller: GrpcCaller,
    settle: (outcome: GrpcOutcome<object>) => void,
  ): Promise<void> {
    const { path, clock } = this.#options;
    const call = new GrpcPrediction<ScoreRequest, object>(caller, { request, body }, clock, settle);
    return path.predict(call, score, request.spec.name, selectorOf(request.spec));
  }

  #scoring(name: string, method: Method): GrpcMethod {
    const path = prediction + name;
    const codec: MethodCodec = this.#options.protos.codecOf(path);
    return {
      kind: 'prediction',
      path,
      predict: async (body, caller, settle) => {
        const { model_spec: spec, input } = scoreSchema.parse(codec.decodeRequest(body));
        await this.#score({ method, spec, rows: rowsOf(input) }, body, caller, outcome =>
          settle(outcome.kind === 'status' ? outcome : { ...outcome, message: codec.encodeAnswer(outcome.message) }),
        );
      },
    };
  }

  /** Each task is a prediction of its own; the first that fails is the answer. */
  #multiInference(): GrpcMethod {
    const path = `${prediction}MultiInference`;
    const codec = this.#options.protos.codecOf(path);
    return {
      kind: 'prediction',
      path,
      predict: async (body, caller, settle) => {
        const { tasks, input } = multiSchema.parse(codec.decodeRequest(body));
        if (tasks.length === 0) throw badRequest('Inference request must have at least one task');
        if (tasks.length > 16) throw badRequest(`Inference request has ${tasks.length} tasks; at most 16 are served`);
        const rows = rowsOf(input);
        const results: object[] = [];
        for (const { model_spec: spec, method_name: name } of tasks) {
          const method = methodNames[name];
          if (method === undefined) throw badRequest(`Unsupported signature method_name: ${name}`);
          let outcome: GrpcOutcome<object> | undefined;
          await this.#score({ method, spec, rows }, body, caller, settled => {
            outcome = settled;
          });
          if (outcome === undefined) return;
          if (outcome.kind === 'status') {
            settle(outcome);
            return;
          }
          const { result, model_spec } = answerSchema.parse(outcome.message);
          results.push({ model_spec, [method === 'classify' ? 'classification_result' : 'regression_result']: result });
          if (results.length === tasks.length) settle({ ...outcome, message: codec.encodeAnswer({ results }) });
        }
      },
    };
  }

  #metadata(request: object): object {
    const { traffic, protos } = this.#options;
    const { model_spec: spec, metadata_field: fields } = metadataSchema.parse(request);
    const selector = selectorOf(spec);
    if (fields.length === 0) throw badRequest('GetModelMetadataRequest must specify at least one metadata_field');
    const unknown = fields.find(field => field !== 'signature_def');
    if (unknown !== undefined) throw badRequest(`Metadata field ${unknown} is not supported`);
    const resolution = traffic.resolve(spec.name, selector);
    if (resolution.kind !== 'ready') throw unresolvedTfs(spec.name, selector, resolution);
    const { model_spec, metadata } = metadataOf(resolution.served);
    return {
      model_spec: { name: model_spec.name, version: { value: Number(model_spec.version) } },
      metadata: {
        signature_def: {
          type_url: 'type.googleapis.com/tensorflow.serving.SignatureDefMap',
          value: protos.encode('tensorflow.serving.SignatureDefMap', metadata.signature_def),
        },
      },
    };
  }
}

export function tfsGrpcMethods(options: TfsGrpcOptions): GrpcMethod[] {
  return new TfsGrpc(options).methods();
}

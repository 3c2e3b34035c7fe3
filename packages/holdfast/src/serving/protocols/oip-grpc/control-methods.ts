import { z } from 'zod';
import type { GrpcMethod } from '../../grpc/grpc-method.ts';
import { checkRepository, type LoadParameters, type LogSettings, type OipControl } from '../oip/control-calls.ts';

const statisticsSchema = z.object({ name: z.string(), version: z.string() });
const indexSchema = z.object({ repository_name: z.string(), ready: z.boolean() });
const parameterSchema = z.object({
  bool_param: z.boolean().optional(),
  int64_param: z.number().optional(),
  string_param: z.string().optional(),
  bytes_param: z.instanceof(Uint8Array).optional(),
});
const changeSchema = z.object({
  repository_name: z.string(),
  model_name: z.string(),
  parameters: z.record(z.string(), parameterSchema).default({}),
});
const traceSchema = z.object({
  model_name: z.string(),
  settings: z.record(z.string(), z.object({ value: z.array(z.string()) })),
});
const logSchema = z.object({
  settings: z.record(
    z.string(),
    z.object({
      bool_param: z.boolean().optional(),
      uint32_param: z.number().optional(),
      string_param: z.string().optional(),
    }),
  ),
});

function parametersOf(request: z.output<typeof changeSchema>): LoadParameters {
  const parameters = new Map<string, string | number | boolean | Uint8Array>();
  for (const [name, one] of Object.entries(request.parameters)) {
    const value = one.string_param ?? one.bytes_param ?? one.bool_param ?? one.int64_param;
    if (value !== undefined) parameters.set(name, value);
  }
  return parameters;
}

function logSetting(value: string | number | boolean): object {
  if (typeof value === 'string') return { string_param: value };
  return typeof value === 'number' ? { uint32_param: value } : { bool_param: value };
}

function logAnswer(settings: LogSettings): object {
  return { settings: Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, logSetting(value)])) };
}

const triton = '/inference.GRPCInferenceService/';
/** The same calls under the name that MLServer's clients use. */
const mlserver = '/inference.model_repository.ModelRepositoryService/';

/** What is not a prediction: statistics, the model repository and settings. */
export function controlMethods(control: OipControl): GrpcMethod[] {
  const unary = (path: string, answer: (request: object) => object | Promise<object>): GrpcMethod => ({
    kind: 'unary',
    path,
    answer,
  });
  const repository = (prefix: string): GrpcMethod[] => [
    unary(`${prefix}RepositoryIndex`, request => {
      const { repository_name: repository, ready } = indexSchema.parse(request);
      checkRepository(repository);
      return { models: control.index(ready) };
    }),
    unary(`${prefix}RepositoryModelLoad`, async request => {
      const asked = changeSchema.parse(request);
      await control.load(asked.repository_name, asked.model_name, parametersOf(asked));
      return {};
    }),
    unary(`${prefix}RepositoryModelUnload`, async request => {
      const asked = changeSchema.parse(request);
      await control.unload(asked.repository_name, asked.model_name);
      return {};
    }),
  ];
  return [
    ...repository(triton),
    ...repository(mlserver),
    unary(`${triton}ModelStatistics`, request => {
      const { name, version } = statisticsSchema.parse(request);
      return control.statistics(name === '' ? undefined : name, version === '' ? undefined : version);
    }),
    unary(`${triton}LogSettings`, async request => {
      const changes = Object.entries(logSchema.parse(request).settings).map(([name, one]) => [
        name,
        one.bool_param ?? one.uint32_param ?? one.string_param,
      ]);
      return logAnswer(await control.logSettings(Object.fromEntries(changes)));
    }),
    unary(`${triton}TraceSetting`, request => {
      const { model_name: model, settings } = traceSchema.parse(request);
      const changes = new Map(Object.entries(settings).map(([name, { value }]) => [name, value]));
      const now = control.traceSettings(model === '' ? undefined : model, changes);
      return { settings: Object.fromEntries(Object.entries(now).map(([name, value]) => [name, { value }])) };
    }),
  ];
}

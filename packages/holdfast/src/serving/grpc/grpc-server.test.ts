import { status } from '@grpc/grpc-js';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { expect, test, vi } from 'vitest';
import { addition, addModel, FakeGateway } from '../fake-gateway.ts';
import { TestClient } from './test-client.ts';

async function started(): Promise<FakeGateway> {
  return FakeGateway.start({}, { hasGrpc: true });
}

function connect(fake: FakeGateway, file: string, service: string): TestClient {
  return new TestClient(`127.0.0.1:${fake.gateway.grpcPort}`, file, service);
}

function codeOf(error: unknown): unknown {
  return Reflect.get(Object(error), 'code');
}

test('health follows readiness, and whoever watches is told when it changes', async () => {
  await using fake = await started();
  using health = connect(fake, 'health.proto', 'grpc.health.v1.Health');
  const stream = health.stream('Watch', { service: '' });
  const told: unknown[] = [];
  stream.on('data', message => told.push(message.status)).on('error', () => {});
  await vi.waitUntil(() => told.length === 1, { timeout: 5000, interval: 5 });
  await fake.serve('add', fake.version(addition, addModel));
  await vi.waitUntil(() => told.length === 2, { timeout: 5000, interval: 5 });
  expect(told).toEqual(['NOT_SERVING', 'SERVING']);
  stream.cancel();
  const { message } = await health.call('Check', { service: 'inference.GRPCInferenceService' });
  expect(message).toEqual({ status: 'SERVING' });
  expect(codeOf(await health.call('Check', { service: 'nope' }).catch((error: unknown) => error))).toBe(
    status.NOT_FOUND,
  );
});

/** What reflection says to one question. */
async function reflect(
  fake: FakeGateway,
  edition: 'v1' | 'v1alpha',
  request: object,
): Promise<Record<string, unknown>> {
  const file = edition === 'v1' ? 'reflection.proto' : 'reflection_v1alpha.proto';
  using client = connect(fake, file, `grpc.reflection.${edition}.ServerReflection`);
  const stream = client.stream('ServerReflectionInfo');
  const answer = new Promise<Record<string, unknown>>((resolve, reject) =>
    stream.on('data', resolve).on('error', reject),
  );
  stream.write(request);
  const said = await answer;
  stream.end();
  return said;
}

test.each(['v1', 'v1alpha'] as const)('reflection %s lists the services', async edition => {
  await using fake = await started();
  const { list_services_response: list } = await reflect(fake, edition, { list_services: '*' });
  expect(list).toMatchObject({
    service: expect.arrayContaining([{ name: 'inference.GRPCInferenceService' }, { name: 'grpc.health.v1.Health' }]),
  });
});

test('reflection describes a service as protoc would, with the files it imports', async () => {
  await using fake = await started();
  const symbol = 'inference.GRPCInferenceService.ModelInfer';
  const { file_descriptor_response: files } = await reflect(fake, 'v1', { file_containing_symbol: symbol });
  const encoded: unknown = Reflect.get(Object(files), 'file_descriptor_proto');
  const [own, imported] = (Array.isArray(encoded) ? encoded : []).map(bytes =>
    descriptor.FileDescriptorProto.decode(bytes).toJSON(),
  );
  expect(own).toMatchObject({
    name: 'open_inference.proto',
    package: 'inference',
    dependency: ['model_config.proto'],
    syntax: 'proto3',
  });
  expect(imported).toMatchObject({ name: 'model_config.proto', package: 'inference' });
  const messages: unknown[] = own?.messageType;
  expect(messages.find(message => Reflect.get(Object(message), 'name') === 'ModelInferRequest')).toMatchObject({
    field: expect.arrayContaining([
      { name: 'model_name', number: 1, label: 'LABEL_OPTIONAL', type: 'TYPE_STRING', jsonName: 'modelName' },
      {
        name: 'parameters',
        number: 4,
        label: 'LABEL_REPEATED',
        type: 'TYPE_MESSAGE',
        typeName: '.inference.ModelInferRequest.ParametersEntry',
        jsonName: 'parameters',
      },
    ]),
    nestedType: expect.arrayContaining([
      expect.objectContaining({ name: 'ParametersEntry', options: { mapEntry: true } }),
    ]),
  });
});

test('reflection does not know what is not there', async () => {
  await using fake = await started();
  const said = await reflect(fake, 'v1', { file_containing_symbol: 'inference.Nope.Never' });
  expect(said.error_response).toMatchObject({ error_code: status.NOT_FOUND });
});

test('bytes that are no message are INVALID_ARGUMENT, an unknown method is UNIMPLEMENTED', async () => {
  await using fake = await started();
  await fake.serve('add', fake.version(addition, addModel));
  using client = connect(fake, 'open_inference.proto', 'inference.GRPCInferenceService');
  const send = (path: string, bytes: Buffer): Promise<unknown> => client.raw(path, bytes).catch(codeOf);
  const malformed = Buffer.from('0aff', 'hex');
  expect(await send('/inference.GRPCInferenceService/ModelInfer', malformed)).toBe(status.INVALID_ARGUMENT);
  expect(await send('/inference.GRPCInferenceService/ModelReady', malformed)).toBe(status.INVALID_ARGUMENT);
  expect(await send('/inference.GRPCInferenceService/SystemSharedMemoryStatus', Buffer.alloc(0))).toBe(
    status.UNIMPLEMENTED,
  );
});

test('while it drains, what is in flight is answered and new calls are UNAVAILABLE', async () => {
  await using fake = await started();
  const runner = await fake.serve('add', fake.version(addition, addModel));
  using client = connect(fake, 'open_inference.proto', 'inference.GRPCInferenceService');
  const request = {
    model_name: 'add',
    inputs: ['a', 'b'].map(name => ({ name, datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } })),
  };
  runner.hold();
  const inFlight = client.call('ModelInfer', request);
  await vi.waitUntil(() => runner.isBusy, { timeout: 5000, interval: 2 });
  const drained = fake.gateway.drain();
  expect(codeOf(await client.call('ModelInfer', request).catch((error: unknown) => error))).toBe(status.UNAVAILABLE);
  runner.release();
  expect((await inFlight).message).toMatchObject({ outputs: [{ contents: { fp32_contents: [2, 4] } }] });
  await drained;
});

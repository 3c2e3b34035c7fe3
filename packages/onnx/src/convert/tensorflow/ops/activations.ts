import type { OpCall, OpRule } from '../op-call.ts';
import { dt } from '../tf-graph.ts';
import { isFloat } from './math.ts';

type Activation = (call: OpCall, x: string, dtype: number) => string;

const activation: ReadonlyMap<string, Activation> = new Map<string, Activation>([
  ['Relu', (call, x, dtype) => (isFloat(dtype) ? call.op('Relu', [x]) : call.op('Max', [x, call.scalar(dtype, 0)]))],
  ['Relu6', (call, x, dtype) => call.op('Clip', [x, call.scalar(dtype, 0), call.scalar(dtype, 6)])],
  ['ReluN1To1', (call, x, dtype) => call.op('Clip', [x, call.scalar(dtype, -1), call.scalar(dtype, 1)])],
  ['Elu', (call, x) => call.op('Elu', [x], { alpha: 1 })],
  ['Selu', (call, x) => call.op('Selu', [x])],
  [
    'LeakyRelu',
    (call, x) => call.op('LeakyRelu', [x], { alpha: call.float('leakyrelu_alpha', call.float('alpha', 0.2)) }),
  ],
  ['Sigmoid', (call, x) => call.op('Sigmoid', [x])],
  ['Tanh', (call, x) => call.op('Tanh', [x])],
  ['Softplus', (call, x) => call.op('Softplus', [x])],
  ['Softsign', (call, x) => call.op('Softsign', [x])],
  ['GeluExact', (call, x) => call.op('Gelu', [x])],
  ['GeluApproximate', (call, x) => call.op('Gelu', [x], { approximate: 'tanh' })],
]);

/**
 * The steps that a fused operator names after its own, in order.
 * @param first input that holds the first extra argument
 */
export function fusedSteps(call: OpCall, result: string, dtype: number, first: number): string {
  let value = result;
  let next = first;
  const steps = call.node.attrs.get('fused_ops')?.list?.s ?? [];
  for (const step of steps) {
    const write = activation.get(step);
    if (step === 'BiasAdd') value = call.op('Add', [value, call.in(next++)]);
    else if (step === 'Prelu') value = call.op('PRelu', [value, call.in(next++)]);
    else if (step === 'FusedBatchNorm') {
      const [scale, offset, mean, variance] = [0, 1, 2, 3].map(() => call.in(next++));
      value = channelsLastNorm(call, value, [scale ?? '', offset ?? '', mean ?? '', variance ?? '']);
    } else if (write !== undefined) value = write(call, value, dtype);
    else return call.refuse(`the fused step ${step} is unknown`);
  }
  return value;
}

/** Normalisation along the last axis, written out so that it joins the convolution before it. */
function channelsLastNorm(
  call: OpCall,
  x: string,
  [scale, offset, mean, variance]: readonly [string, string, string, string],
): string {
  const epsilon = call.scalar(dt.float, call.float('epsilon', 1e-4));
  const deviation = call.op('Sqrt', [call.op('Add', [variance, epsilon])]);
  const factor = call.op('Div', [scale, deviation]);
  const shift = call.op('Sub', [offset, call.op('Mul', [mean, factor])]);
  return call.op('Add', [call.op('Mul', [x, factor]), shift]);
}

const alone =
  (write: Activation): OpRule =>
  call => {
    const { name, dtype, shape } = call.tensor(0);
    return call.like(
      call.widened([name], dtype, ([x = ''], type) => write(call, x, type)),
      shape,
    );
  };

export const activationOps: readonly [string, OpRule][] = [
  ...[...activation]
    .filter(([op]) => !['Sigmoid', 'Tanh', 'GeluExact', 'GeluApproximate', 'ReluN1To1'].includes(op))
    .map(([op, write]): [string, OpRule] => [op, alone(write)]),
  ['Prelu', call => call.like(call.op('PRelu', [call.in(0), call.in(1)]), call.tensor(0).shape)],
  ['Softmax', alone((call, x) => call.op('Softmax', [x], { axis: -1n }))],
  ['LogSoftmax', alone((call, x) => call.op('LogSoftmax', [x], { axis: -1n }))],
];

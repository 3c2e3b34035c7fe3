import { isQuantized, type OperatorCall, type TfliteHandler } from './lowering.ts';

function dequantize(call: OperatorCall): void {
  const constant = call.constant(0);
  const { type } = call.tensor(0);
  // Weights kept in half precision or small integers stay so; whoever uses them unfolds them.
  if (constant !== undefined && call.output().type === 'FLOAT32' && (type === 'FLOAT16' || isQuantized(call.tensor(0))))
    call.to.setConstant(call.outputIndex(), constant);
  else call.result(call.value(0));
}

function densify(call: OperatorCall): void {
  const constant = call.constant(0);
  if (constant === undefined) throw call.refuse('unfolds a tensor computed at run time');
  call.to.setConstant(call.outputIndex(), constant);
}

export const quantizeOperators: Readonly<Record<string, TfliteHandler>> = {
  DENSIFY: densify,
  DEQUANTIZE: dequantize,
  QUANTIZE: call => call.result(call.value(0)),
};

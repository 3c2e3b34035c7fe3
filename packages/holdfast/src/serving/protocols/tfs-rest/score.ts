import { isUtf8 } from 'node:buffer';
import type { Exchange } from '../../http/exchange.ts';
import { JsonCursor, JsonDepthError, JsonSyntaxError, type JsonValue } from '../../json/json-cursor.ts';
import { shortestFloat32 } from '../../json/write-number.ts';
import { badRequest } from '../../refusal.ts';
import type { PredictProtocol } from '../protocol.ts';
import { type Example, type FeatureValues, tensorsOfExamples } from '../tfs/examples.ts';
import { checkClassifies, checkRegresses, classificationsOf, regressionsOf } from '../tfs/scores.ts';
import { base64Of, isList, isObject, quoteValue } from './json-values.ts';
import { checkSignature } from './predict-request.ts';
import { writeFloat } from './predict-response.ts';
import { refuseTfs, unresolvedTfs } from './words.ts';

type Method = 'classify' | 'regress';

function featureValue(value: JsonValue, feature: string): number | bigint | string {
  const base64 = base64Of(value);
  if (base64 !== undefined) {
    const bytes = Buffer.from(base64, 'base64');
    if (!isUtf8(bytes)) throw badRequest(`Feature ${feature} is not valid UTF-8, which a string tensor needs.`);
    return bytes.toString('utf8');
  }
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') return value;
  throw badRequest(`Example feature: ${feature} has value ${quoteValue(value)}, which is no number or text.`);
}

function exampleOf(value: JsonValue, what: string): Example {
  if (!isObject(value)) throw badRequest(`${what} must be a JSON object of features, not ${quoteValue(value)}`);
  const features = new Map<string, FeatureValues>();
  for (const [name, one] of value) {
    features.set(name, isList(one) ? one.map(inner => featureValue(inner, name)) : [featureValue(one, name)]);
  }
  return features;
}

function readBody(body: Buffer): JsonValue {
  if (!isUtf8(body)) throw badRequest('JSON Parse error: Invalid encoding in string.');
  const cursor = new JsonCursor(body);
  if (cursor.peek() === -1) throw badRequest('JSON Parse error: The document is empty');
  try {
    return cursor.value();
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw badRequest(`JSON Parse error: ${error.reason} at offset: ${error.offset}`);
    if (error instanceof JsonDepthError) throw badRequest(error.message);
    throw error;
  }
}

/** @throws Refusal `bad_request` */
function readExamples(body: Buffer): { readonly examples: readonly Example[]; readonly context: Example | undefined } {
  const request = readBody(body);
  if (!isObject(request)) throw badRequest(`JSON Value: ${quoteValue(request)} Type: is not of expected type: object`);
  checkSignature(request.get('signature_name'));
  const list = request.get('examples');
  if (list === undefined)
    throw badRequest("When method is classify or regress, key 'examples' is expected and was not found");
  if (!isList(list)) throw badRequest("Value of key 'examples' is not a list");
  const context = request.get('context');
  return {
    examples: list.map((example, i) => exampleOf(example, `Example: ${i}`)),
    context: context === undefined ? undefined : exampleOf(context, "Value of key 'context'"),
  };
}

function writeScore(score: number): string {
  return writeFloat(shortestFloat32(Math.fround(score)));
}

/** Classify and regress: rows of named features in, labels with scores or one number per row out. */
export function tfsScore(method: Method): PredictProtocol<Method> {
  return {
    unresolved: unresolvedTfs,
    decode(body: Buffer, _exchange: Exchange, _model, signature) {
      const { examples, context } = readExamples(body);
      if (method === 'classify') checkClassifies(signature);
      else checkRegresses(signature);
      const inputs = tensorsOfExamples(examples, context, signature);
      return { inputs, id: undefined, timeout: undefined, priority: undefined, context: method };
    },
    encode({ outputs, served }) {
      const results =
        method === 'classify'
          ? classificationsOf(outputs, served.signature).map(
              row => `[${row.map(({ label, score }) => `[${JSON.stringify(label)},${writeScore(score)}]`).join(',')}]`,
            )
          : regressionsOf(outputs, served.signature).map(writeScore);
      return { contentType: 'application/json', body: `{"results":[${results.join(',')}]}` };
    },
    refuse: refuseTfs,
  };
}

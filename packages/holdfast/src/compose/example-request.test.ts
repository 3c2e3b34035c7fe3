import { expect, test } from 'vitest';
import { exampleCurl } from './example-request.ts';

const base = { columns: [], task: { kind: 'none' } as const, outputs: [] };

test('a tabular model gets one row of its own shape', () => {
  const curl = exampleCurl('http://127.0.0.1:8080', 'm', {
    ...base,
    inputs: [
      { name: 'age', datatype: 'FP32', shape: [-1, 1], optional: false },
      { name: 'city', datatype: 'BYTES', shape: [-1], optional: false },
    ],
  });
  expect(curl).toBe(
    `curl -s http://127.0.0.1:8080/v2/models/m/infer -d '{"inputs":[{"name":"age","datatype":"FP32","shape":[1,1],"data":[1]},{"name":"city","datatype":"BYTES","shape":[1],"data":["text"]}]}'`,
  );
});

test('an image model gets its metadata instead of 150,528 zeros', () => {
  const inputs = [{ name: 'image', datatype: 'FP32' as const, shape: [-1, 3, 224, 224], optional: false }];
  expect(exampleCurl('http://h', 'm', { ...base, inputs })).toBe('curl http://h/v2/models/m');
});

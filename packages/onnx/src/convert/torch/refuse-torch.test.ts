import { expect, test } from 'vitest';
import { OnnxError } from '../../onnx-error.ts';
import { fixturePaths, hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { convert } from '../convert.ts';

async function refusal(path: string): Promise<OnnxError> {
  const error: unknown = await convert(readFixture(path)).catch((caught: unknown) => caught);
  if (error instanceof OnnxError) return error;
  throw new Error(`${path} was not refused`, { cause: error });
}

test.skipIf(!hasFixtures).each([
  ['torch/mlp_digits/state_dict.pt', 'weights_only', /state_dict.*architecture.*tensors.*load_state_dict/s],
  ['torch/mlp_digits/state_dict_legacy.pth', 'weights_only', /state_dict.*architecture.*tensors/s],
  ['torch/udacity_ddpg_actor/state_dict.pt', 'weights_only', /fc1\.weight float \[/],
  [
    'torch/mlp_bn_reg_diabetes/whole_module.pt',
    'unsupported_format',
    /whole pickled PyTorch module \(.*weights_only=False/s,
  ],
  ['torch/cnn_bn_se_digits/traced.pt', 'unsupported_format', /TorchScript.*torch\.jit\.load/s],
] as const)(
  '%s is named for what it is, with its tensors and the lines that export it',
  async (path, code, sentence) => {
    const error = await refusal(path);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(sentence);
    expect(error.recipe).toContain('torch.onnx.export');
  },
);

test.skipIf(!hasFixtures)('every PyTorch file of the collection is refused with a recipe', async () => {
  for (const path of [...fixturePaths('torch', '.pt'), ...fixturePaths('torch', '.pth')])
    expect((await refusal(path)).recipe, path).toContain('torch.onnx.export');
});

import type { FileKind } from '../../sniff/sniff-file.ts';

/** What a PyTorch file turns out to be inside. */
export type TorchContent = 'state_dict' | 'module' | 'yolo' | 'torchscript' | 'exported';

export interface ExportScript {
  /** Python that reads `sys.argv[1]` and writes ONNX to `sys.argv[2]`; `sys.argv[3]` holds example shapes as JSON, such as `[[1, 3, 224, 224]]`. */
  readonly script: string;
  /** Packages the interpreter needs. */
  readonly requires: readonly string[];
  /** Whether opening the file runs code that is stored in it. */
  readonly runsCode: boolean;
}

const head = `import inspect
import json
import sys

import torch

source, target = sys.argv[1:3]
shapes = json.loads(sys.argv[3]) if len(sys.argv) > 3 else [[1, 3, 224, 224]]
examples = tuple(torch.zeros(*shape) for shape in shapes)
`;

const traced = `names = [f"input_{i}" for i in range(len(examples))]
# The tracing exporter, which old versions have as their only one.
known = inspect.signature(torch.onnx.export).parameters
exporter = {"dynamo": False} if "dynamo" in known else {}
torch.onnx.export(model, examples, target, input_names=names,
                  dynamic_axes={name: {0: "batch"} for name in names}, **exporter)
`;

const scripts: Readonly<Record<TorchContent, ExportScript>> = {
  torchscript: {
    script: `${head}model = torch.jit.load(source, map_location="cpu").eval()\n${traced}`,
    requires: ['torch'],
    runsCode: true,
  },
  module: {
    script: `${head}model = torch.load(source, map_location="cpu", weights_only=False).eval()\n${traced}`,
    requires: ['torch', 'the package that defines the model'],
    runsCode: true,
  },
  exported: {
    script: `import sys

import torch

source, target = sys.argv[1:3]
torch.onnx.export(torch.export.load(source), (), target, dynamo=True)
`,
    requires: ['torch>=2.5', 'onnxscript'],
    runsCode: false,
  },
  yolo: {
    script: `import shutil
import sys

from ultralytics import YOLO

source, target = sys.argv[1:3]
shutil.move(YOLO(source).export(format="onnx", dynamic=True), target)
`,
    requires: ['ultralytics'],
    runsCode: true,
  },
  state_dict: {
    script: `from your_code import YourModel  # the class these weights were saved from
${head}
model = YourModel()
weights = torch.load(source, map_location="cpu", weights_only=True)
model.load_state_dict(weights.get("state_dict", weights))
model.eval()
${traced}`,
    requires: ['torch', 'the code that defines the model'],
    runsCode: false,
  },
};

/** The few lines of Python that export such content to ONNX. */
export function torchExportScript(content: TorchContent): ExportScript {
  return scripts[content];
}

const keras: ExportScript = {
  script: `import sys

import keras

source, target = sys.argv[1:3]
keras.models.load_model(source).export(target, format="onnx")
`,
  requires: ['keras>=3.8', 'tf2onnx or onnxscript'],
  runsCode: false,
};
const tf2onnx = (option: string): ExportScript => ({
  script: `import subprocess
import sys

source, target = sys.argv[1:3]
subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--${option}", source, "--output", target], check=True)
`,
  requires: ['tensorflow', 'tf2onnx'],
  runsCode: false,
});
const safetensors: ExportScript = {
  script: `from safetensors.torch import load_file
from your_code import YourModel  # the class these weights were saved from
${head}
model = YourModel()
model.load_state_dict(load_file(source))
model.eval()
${traced}`,
  requires: ['torch', 'safetensors', 'the code that defines the model'],
  runsCode: false,
};

/**
 * The script with which the user's own Python exports a file of this kind to ONNX, or undefined when none can. Pure
 * text: nothing is started here.
 */
export function exportScript(kind: FileKind, content?: TorchContent): ExportScript | undefined {
  switch (kind) {
    case 'torch':
    case 'torch_legacy':
      return torchExportScript(content ?? 'module');
    case 'torchscript':
      return torchExportScript('torchscript');
    case 'torch_export':
      return torchExportScript('exported');
    case 'safetensors':
      return safetensors;
    case 'keras':
    case 'keras_h5':
      return keras;
    case 'savedmodel':
      return tf2onnx('saved-model');
    case 'tflite':
      return tf2onnx('tflite');
    default:
      return undefined;
  }
}

import type { Flights } from './flights.ts';
import { numericFeatures } from './flights.ts';

/** A request of the Open Inference Protocol with the binary tensor extension: JSON, then the tensors' bytes. */
export interface InferRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Writes flights as requests; airports are encoded once. */
export class InferRequestEncoder {
  readonly #airports: readonly Buffer[];

  /** @param airports the names that the flights' codes stand for */
  constructor(airports: readonly string[]) {
    this.#airports = airports.map(bytesElement);
  }

  encode(flights: Flights): InferRequest {
    const origin = this.#airportTensor(flights.origin);
    const destination = this.#airportTensor(flights.destination);
    const tensors = [...numericFeatures.map(name => littleEndianBytes(flights.numeric[name])), origin, destination];
    const head = Buffer.from(inferHead(flights.rows, origin.length, destination.length));
    return {
      headers: {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': String(head.length),
      },
      body: Buffer.concat([head, ...tensors]),
    };
  }

  #airportTensor(codes: Uint16Array): Buffer {
    return Buffer.concat(Array.from(codes, code => this.#airports[code]!));
  }
}

/**
 * The probabilities of being late, one per row, out of the answer to an encoded request.
 *
 * @param headLength the answer's `inference-header-content-length`
 * @throws TypeError when the answer does not hold exactly two float32 per row
 */
export function lateProbabilities(body: Buffer, headLength: number, rows: number): Float32Array {
  const tensor = body.subarray(headLength);
  if (!Number.isInteger(headLength) || tensor.length !== rows * 8) {
    throw new TypeError(`the answer has ${tensor.length} bytes of probabilities for ${rows} flights`);
  }
  const late = new Float32Array(rows);
  for (let row = 0; row < rows; row++) late[row] = tensor.readFloatLE(row * 8 + 4);
  return late;
}

function inferHead(rows: number, originBytes: number, destinationBytes: number): string {
  const shape = [rows, 1];
  const input = (name: string, datatype: string, bytes: number) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: bytes },
  });
  return JSON.stringify({
    inputs: [
      ...numericFeatures.map(name => input(name, 'FP32', rows * 4)),
      input('origin', 'BYTES', originBytes),
      input('destination', 'BYTES', destinationBytes),
    ],
    outputs: [{ name: 'probabilities', parameters: { binary_data: true } }],
  });
}

/** One element of a BYTES tensor: its length as a 32-bit little-endian number, then its UTF-8 bytes. */
function bytesElement(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The protocol is little-endian, as is every machine that ONNX Runtime for Node has a build for. */
function littleEndianBytes(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

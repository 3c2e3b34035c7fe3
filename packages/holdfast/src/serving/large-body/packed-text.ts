/** A list of texts as one block of UTF-8, which moves between threads without being copied or looked at. */
export interface PackedText {
  readonly bytes: Uint8Array;
  /** Where each text ends in `bytes`. */
  readonly ends: Uint32Array;
}

/** Texts made between two looks at the event loop: about a millisecond's worth. */
const textsPerTurn = 8192;

export function packText(texts: readonly string[]): PackedText {
  const ends = new Uint32Array(texts.length);
  let total = 0;
  for (let i = 0; i < texts.length; i++) {
    total += Buffer.byteLength(texts[i]!);
    ends[i] = total;
  }
  const bytes = new Uint8Array(total);
  const buffer = Buffer.from(bytes.buffer);
  let at = 0;
  for (let i = 0; i < texts.length; i++) {
    buffer.write(texts[i]!, at, 'utf8');
    at = ends[i]!;
  }
  return { bytes, ends };
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** The texts again, made in turns of the event loop. */
export async function unpackText({ bytes, ends }: PackedText): Promise<string[]> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  let at = 0;
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!;
    texts.push(buffer.toString('utf8', at, end));
    at = end;
    if (i % textsPerTurn === textsPerTurn - 1) await nextTurn();
  }
  return texts;
}

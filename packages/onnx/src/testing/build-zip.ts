import { crc32, deflateRawSync } from 'node:zlib';

interface ZipPart {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method?: 0 | 8;
  readonly declaredBytes?: number;
}

/** An archive written by hand; `wide` puts sizes and offsets into zip64 fields. */
export function buildZip(parts: readonly ZipPart[], wide = false): Uint8Array {
  const chunks: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, method = 8, declaredBytes = content.length } of parts) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const extra = wide ? Buffer.alloc(28) : Buffer.alloc(0);
    const record = Buffer.alloc(46 + name.length);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(method, 10);
    record.writeUInt32LE(crc32(content), 16);
    record.writeUInt32LE(wide ? 0xffffffff : packed.length, 20);
    record.writeUInt32LE(wide ? 0xffffffff : declaredBytes, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE(wide ? 0xffffffff : at, 42);
    record.write(name, 46);
    if (wide) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      extra.writeBigUInt64LE(BigInt(declaredBytes), 4);
      extra.writeBigUInt64LE(BigInt(packed.length), 12);
      extra.writeBigUInt64LE(BigInt(at), 20);
    }
    directory.push(record, extra);
    chunks.push(local, packed);
    at += local.length + packed.length;
  }
  const size = directory.reduce((sum, item) => sum + item.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(wide ? 0xffffffff : at, 16);
  if (!wide) return new Uint8Array(Buffer.concat([...chunks, ...directory, end]));
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at + size), 8);
  return new Uint8Array(Buffer.concat([...chunks, ...directory, end64, locator, end]));
}

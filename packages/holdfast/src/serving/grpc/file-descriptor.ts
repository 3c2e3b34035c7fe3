import protobuf from 'protobufjs';
import type { ProtoFile } from './proto-catalog.ts';
import { WireWriter } from './wire-writer.ts';

/** Numbers of descriptor.proto for the scalar types; messages and enums follow from what a field resolves to. */
const scalarTypes: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const messageType = 11;
const enumType = 14;
const optional = 1;
const repeated = 3;

/** `model_name` as JSON calls it. */
function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The name of the message that a map's entries are, by the rule of the protobuf compiler. */
function entryName(field: string): string {
  const camel = camelCase(field);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}

interface FieldLayout {
  readonly name: string;
  readonly number: number;
  readonly label: number;
  readonly type: string;
  readonly resolved: protobuf.ReflectionObject | null;
  readonly typeName?: string;
  readonly oneofIndex: number;
}

function writeField(writer: WireWriter, layout: FieldLayout): void {
  const { name, number, label, type, resolved, typeName, oneofIndex } = layout;
  writer.text(1, name);
  writer.unsigned(3, number);
  writer.unsigned(4, label);
  const named = typeName ?? (resolved === null ? undefined : resolved.fullName);
  const scalar = scalarTypes[type];
  if (named === undefined && scalar !== undefined) writer.unsigned(5, scalar);
  else {
    writer.unsigned(5, resolved instanceof protobuf.Enum ? enumType : messageType);
    writer.text(6, named ?? '');
  }
  if (oneofIndex >= 0) writer.unsigned(9, oneofIndex);
  writer.text(10, camelCase(name));
}

function writeEntry(writer: WireWriter, field: protobuf.MapField): void {
  writer.text(1, entryName(field.name));
  const single = { label: optional, oneofIndex: -1 };
  writer.nested(2, () =>
    writeField(writer, { ...single, name: 'key', number: 1, type: field.keyType, resolved: null }),
  );
  writer.nested(2, () =>
    writeField(writer, { ...single, name: 'value', number: 2, type: field.type, resolved: field.resolvedType }),
  );
  writer.nested(7, () => writer.boolean(7, true));
}

function writeEnum(writer: WireWriter, { name, values }: protobuf.Enum): void {
  writer.text(1, name);
  for (const [value, number] of Object.entries(values)) {
    writer.nested(2, () => {
      writer.text(1, value);
      writer.unsigned(2, number);
    });
  }
}

function writeMessage(writer: WireWriter, type: protobuf.Type): void {
  writer.text(1, type.name);
  for (const field of type.fieldsArray) {
    const isMap = field instanceof protobuf.MapField;
    writer.nested(2, () =>
      writeField(writer, {
        name: field.name,
        number: field.id,
        label: isMap || field.repeated ? repeated : optional,
        type: isMap ? 'message' : field.type,
        resolved: isMap ? null : field.resolvedType,
        ...(isMap && { typeName: `${type.fullName}.${entryName(field.name)}` }),
        oneofIndex: field.partOf === null ? -1 : type.oneofsArray.indexOf(field.partOf),
      }),
    );
  }
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Type) writer.nested(3, () => writeMessage(writer, nested));
  }
  for (const field of type.fieldsArray) {
    if (field instanceof protobuf.MapField) writer.nested(3, () => writeEntry(writer, field));
  }
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Enum) writer.nested(4, () => writeEnum(writer, nested));
  }
  for (const { name } of type.oneofsArray) writer.nested(8, () => writer.text(1, name));
}

function writeService(writer: WireWriter, service: protobuf.Service): void {
  writer.text(1, service.name);
  for (const method of service.methodsArray) {
    writer.nested(2, () => {
      writer.text(1, method.name);
      writer.text(2, method.resolvedRequestType?.fullName ?? '');
      writer.text(3, method.resolvedResponseType?.fullName ?? '');
      if (method.requestStream) writer.boolean(5, true);
      if (method.responseStream) writer.boolean(6, true);
    });
  }
}

/**
 * A .proto file as the `FileDescriptorProto` that reflection answers with. Written here, because the descriptors of
 * protobufjs name neither imports nor map entries as protoc does, and Go's clients refuse them.
 */
export function fileDescriptor({ name, package: space, imports, entries }: ProtoFile): Buffer {
  const writer = new WireWriter(4096);
  writer.text(1, name);
  writer.text(2, space);
  for (const file of imports) writer.text(3, file);
  for (const entry of entries) if (entry instanceof protobuf.Type) writer.nested(4, () => writeMessage(writer, entry));
  for (const entry of entries) if (entry instanceof protobuf.Enum) writer.nested(5, () => writeEnum(writer, entry));
  for (const entry of entries) {
    if (entry instanceof protobuf.Service) writer.nested(6, () => writeService(writer, entry));
  }
  writer.text(12, 'proto3');
  return writer.finish();
}

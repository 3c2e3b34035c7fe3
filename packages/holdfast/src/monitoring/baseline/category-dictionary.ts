import { type BaselineTable, literal } from './baseline-table.ts';

/** The categories of a column, so that rows can be read as small numbers instead of texts. */
export interface CategoryDictionary {
  /** Most frequent first; the last entry stands for all that are not listed. */
  readonly texts: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  /** SQL for the position of a row's category in `texts`; -1 where it is missing. */
  readonly codeSql: string;
}

/** Stands for categories beyond those listed; no text of a file can hold a NUL. */
const unlisted = '\u0000unlisted';

/**
 * Counts the categories of a column over the whole file.
 * @param name a name for the dictionary inside the engine, of letters and digits
 */
export async function categoryDictionary(
  table: BaselineTable,
  sql: string,
  name: string,
  most: number,
): Promise<CategoryDictionary> {
  const found = await table.query(
    `select v, count(*) as n from (select ${sql} as v from baseline) where v is not null and v <> ''
     group by v order by n desc, v limit ${most}`,
  );
  const texts = (found.get('v') ?? []).map(String);
  const counts = new Map(texts.map((text, i) => [text, Number(found.get('n')?.[i] ?? 0)]));
  if (texts.length === 0) return { texts: [unlisted], counts, codeSql: 'cast(-1 as double)' };
  await table.run(`create type ${name} as enum (${texts.map(literal).join(', ')})`);
  const isMissing = `(${sql}) is null or (${sql}) = ''`;
  return {
    texts: [...texts, unlisted],
    counts,
    codeSql: `coalesce(cast(enum_code(try_cast(${sql} as ${name})) as double),
      case when ${isMissing} then -1.0 else ${texts.length}.0 end)::double`,
  };
}

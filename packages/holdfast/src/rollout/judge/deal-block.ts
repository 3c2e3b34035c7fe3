import { createRng, type Rng, type TwoArmBlock } from '@holdfast/stats';

type Counts = TwoArmBlock['a'];

/** Blocks that a batch is dealt into at most, and rows of the smaller arm that each gets at least. */
const blocks = 20;
const rowsPerBlock = 10;

/** Successes among `rows` drawn without replacement. */
function draw(from: Counts, rows: number, rng: Rng): number {
  let successes = 0;
  for (let i = 0; i < rows; i++) if (rng.bernoulli((from.successes - successes) / (from.rows - i))) successes++;
  return successes;
}

function deal(counts: Counts, parts: number, rng: Rng): Counts[] {
  const dealt: Counts[] = [];
  let left: Counts = { rows: Math.round(counts.rows), successes: Math.round(counts.successes) };
  for (let part = parts; part > 0; part--) {
    const rows = Math.round(left.rows / part);
    const successes = draw(left, rows, rng);
    dealt.push({ rows, successes });
    left = { rows: left.rows - rows, successes: left.successes - successes };
  }
  return dealt;
}

/**
 * Outcomes that arrived at once, in an order drawn at random. Evidence needs a past to bet by, which a batch does not
 * have in itself; rows of a batch are exchangeable, so that a bet on its later rows by its earlier ones is as fair as if
 * they had come one after the other. The order depends on the numbers of rows only, never on the outcomes.
 */
export function dealBlock(batch: TwoArmBlock): TwoArmBlock[] {
  const parts = Math.max(1, Math.min(blocks, Math.floor(Math.min(batch.a.rows, batch.b.rows) / rowsPerBlock)));
  const rng = createRng(batch.a.rows * 65_537 + batch.b.rows);
  const [a, b] = [deal(batch.a, parts, rng), deal(batch.b, parts, rng)];
  return a.flatMap((counts, part) => {
    const other = b[part];
    return other === undefined ? [] : [{ a: counts, b: other }];
  });
}

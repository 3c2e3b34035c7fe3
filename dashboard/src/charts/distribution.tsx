import type { DriftDetail } from '@holdfast/api';
import { format, messages } from '../app/language.ts';
import { binShares, categoryShares, coarsened, edgesWritten, type SharePair } from './distribution-shares.ts';

function SharesTable({ pairs, caption }: { readonly pairs: readonly SharePair[]; readonly caption: string }) {
  const m = messages.value;
  const f = format.value;
  return (
    <div class="hidden">
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{m.column}</th>
            <th scope="col">{m.baseline}</th>
            <th scope="col">{m.current}</th>
          </tr>
        </thead>
        <tbody>
          {pairs.map(pair => (
            <tr key={pair.name}>
              <th scope="row">{pair.name}</th>
              <td>{f.percent(pair.baseline)}</td>
              <td>{f.percent(pair.current)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Bins({ detail, pairs }: { readonly detail: DriftDetail; readonly pairs: readonly SharePair[] }) {
  const m = messages.value;
  const f = format.value;
  const top = Math.max(...pairs.flatMap(pair => [pair.baseline, pair.current]), 1e-9);
  const bar = (share: number) => ({ height: `${((share / top) * 100).toFixed(2)}%` });
  const hint = (pair: SharePair): string =>
    `${pair.name}\n${m.baseline} ${f.percent(pair.baseline)}\n${m.current} ${f.percent(pair.current)}`;
  return (
    <div aria-hidden="true">
      <div class="bins">
        <span class="bins-top">{f.percent(top)}</span>
        {pairs.map(pair => (
          <div key={pair.name} class="bin" title={hint(pair)}>
            <div class="bar before" style={bar(pair.baseline)} />
            <div class="bar now" style={bar(pair.current)} />
          </div>
        ))}
      </div>
      <div class="bin-edges">
        {edgesWritten(detail.edges.length, 6).map(index => (
          <span key={index} style={{ left: `${(((index + 1) / pairs.length) * 100).toFixed(2)}%` }}>
            {f.rate(detail.edges[index]!)}
          </span>
        ))}
      </div>
    </div>
  );
}

function Categories({ pairs }: { readonly pairs: readonly SharePair[] }) {
  const f = format.value;
  const top = Math.max(...pairs.flatMap(pair => [pair.baseline, pair.current]), 1e-9);
  const bar = (share: number) => ({ width: `${((share / top) * 100).toFixed(2)}%` });
  return (
    <div class="categories" aria-hidden="true">
      {pairs.map(pair => (
        <div key={pair.name} class="category">
          <span class="category-name" title={pair.name}>
            {pair.name}
          </span>
          <span class="category-bars">
            <span class="bar before" style={bar(pair.baseline)} />
            <span class="bar now" style={bar(pair.current)} />
          </span>
          <span class="category-share">{f.percent(pair.baseline)}</span>
          <span class="category-share now-text">{f.percent(pair.current)}</span>
        </div>
      ))}
    </div>
  );
}

/** Baseline and window side by side: bars over bins, or over the top categories. */
export function Distribution({ detail: measured }: { readonly detail: DriftDetail }) {
  const detail = coarsened(measured);
  const m = messages.value;
  const f = format.value;
  const pairs =
    detail.kind === 'numeric'
      ? binShares(detail, {
          below: edge => m.binBelow(f.rate(edge)),
          between: (low, high) => m.binBetween(f.rate(low), f.rate(high)),
          above: edge => m.binAbove(f.rate(edge)),
        })
      : categoryShares(detail, { other: m.otherCategories, unseen: m.unseen, missing: m.missingCategory });
  return (
    <figure class="distribution">
      <figcaption>
        <span class="swatch-label">
          <span class="bar-swatch before" /> {m.baseline}
        </span>
        <span class="swatch-label">
          <span class="bar-swatch now" /> {m.current}
        </span>
      </figcaption>
      {detail.kind === 'numeric' ? <Bins detail={detail} pairs={pairs} /> : <Categories pairs={pairs} />}
      <SharesTable pairs={pairs} caption={m.distribution(detail.column)} />
    </figure>
  );
}

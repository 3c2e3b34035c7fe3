import { type AliasMove, champion, type ModelDetail, type ModelVersion } from '@holdfast/api';
import { useState } from 'preact/hooks';
import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { Badge } from '../../components/badge.tsx';
import { ConfirmDialog } from '../../components/confirm-dialog.tsx';
import { Icon } from '../../components/icon.tsx';
import { Sentence } from '../../components/sentence.tsx';
import { stateTone } from '../../components/tones.ts';

type Asked = { readonly kind: 'rollback' } | { readonly kind: 'champion'; readonly version: number };

function sourceOf(version: ModelVersion): string {
  const { provenance } = version;
  return provenance.fileName ?? provenance.file ?? Object.values(provenance)[0] ?? dash;
}

function VersionRow({
  version,
  isChampion,
  onAsk,
}: {
  readonly version: ModelVersion;
  readonly isChampion: boolean;
  readonly onAsk: () => void;
}) {
  const m = messages.value;
  const f = format.value;
  const title = Object.entries(version.provenance)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n');
  return (
    <tr>
      <th scope="row">{m.version(version.version)}</th>
      <td data-label={m.stateColumn}>
        <Badge tone={stateTone[version.state]}>{m.state[version.state]}</Badge>
        {version.reason !== undefined && (
          <p class="hint">
            <Sentence text={version.reason} />
          </p>
        )}
      </td>
      <td data-label={m.aliases}>
        {version.aliases.length === 0 ? (
          <span class="faint">{m.none}</span>
        ) : (
          version.aliases.map(alias => <code key={alias}>{alias}</code>)
        )}
      </td>
      <td data-label={m.created}>{f.dateTime(version.createdAtMs)}</td>
      <td data-label={m.baselineRows} class="number">
        {version.baselineRows === undefined ? dash : f.count(version.baselineRows)}
      </td>
      <td data-label={m.size} class="number">
        {f.bytes(version.bytes)}
      </td>
      <td data-label={m.source} title={title}>
        <span class="clip">{sourceOf(version)}</span>
        <code class="faint digest">{version.digest.slice(7, 19)}</code>
      </td>
      <td class="row-action">
        {isChampion ? (
          <span class="faint">{m.isChampion}</span>
        ) : (
          <button type="button" class="button small" aria-label={m.makeChampionOf(version.version)} onClick={onAsk}>
            {m.makeChampion}
          </button>
        )}
      </td>
    </tr>
  );
}

function History({ moves }: { readonly moves: readonly AliasMove[] }) {
  const m = messages.value;
  const f = format.value;
  const name = (version: number | null): string => (version === null ? m.none : m.version(version));
  const newestFirst = [...moves].sort((a, b) => b.atMs - a.atMs);
  return (
    <div class="history">
      <h3>{m.history}</h3>
      {moves.length === 0 && <p class="hint">{m.noHistory}</p>}
      <ol>
        {newestFirst.map(move => (
          <li key={`${move.alias} ${move.generation}`}>
            <time dateTime={new Date(move.atMs).toISOString()}>{f.dateTime(move.atMs)}</time>
            <span>{m.movedTo(move.alias, name(move.fromVersion), name(move.toVersion))}</span>
            <span class="faint">
              {m.by(move.actor)}
              {move.reason !== '' && <> · {move.reason}</>}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The versions of a model, the moves of its aliases, and the buttons that move the champion. */
export function VersionsSection({
  detail,
  onChanged,
}: {
  readonly detail: ModelDetail;
  readonly onChanged: () => void;
}) {
  const m = messages.value;
  const [asked, setAsked] = useState<Asked | undefined>(undefined);
  const [done, setDone] = useState('');
  const { name, champion: current } = detail.summary;
  const text = (version: number | null): string => (version === null ? m.none : m.version(version));
  const say = (move: AliasMove): void => {
    setDone(m.championNow(name, text(move.toVersion)));
    onChanged();
  };
  const rollBack = async (reason: string): Promise<void> => {
    say(await server.call('rollback', { params: { model: name }, body: { reason } }));
  };
  const makeChampion = async (version: number, reason: string): Promise<void> => {
    say(await server.call('moveAlias', { params: { model: name, alias: champion }, body: { version, reason } }));
  };
  const versions = [...detail.versions].sort((a, b) => b.version - a.version);
  return (
    <section class="card" aria-labelledby="versions-title">
      <div class="section-head">
        <h2 id="versions-title">{m.versions}</h2>
        <button
          type="button"
          class="button"
          disabled={versions.length < 2}
          onClick={() => setAsked({ kind: 'rollback' })}
        >
          <Icon name="rollback" />
          {m.rollBack}
        </button>
      </div>
      <p class="done" role="status">
        {done}
      </p>
      <div class="table-scroll">
        <table class="versions">
          <thead>
            <tr>
              <th scope="col">{m.versionFilter}</th>
              <th scope="col">{m.stateColumn}</th>
              <th scope="col">{m.aliases}</th>
              <th scope="col">{m.created}</th>
              <th scope="col">{m.baselineRows}</th>
              <th scope="col">{m.size}</th>
              <th scope="col">{m.source}</th>
              <th scope="col">
                <span class="hidden">{m.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {versions.map(version => (
              <VersionRow
                key={version.version}
                version={version}
                isChampion={version.version === current}
                onAsk={() => setAsked({ kind: 'champion', version: version.version })}
              />
            ))}
          </tbody>
        </table>
      </div>
      <History moves={detail.history} />
      {asked?.kind === 'rollback' && (
        <ConfirmDialog
          title={m.rollBackTitle(name)}
          text={m.rollBackText}
          action={m.rollBack}
          onConfirm={rollBack}
          onClose={() => setAsked(undefined)}
        />
      )}
      {asked?.kind === 'champion' && (
        <ConfirmDialog
          title={m.makeChampionTitle(asked.version)}
          text={m.makeChampionText(text(current), m.version(asked.version))}
          action={m.makeChampion}
          onConfirm={reason => makeChampion(asked.version, reason)}
          onClose={() => setAsked(undefined)}
        />
      )}
    </section>
  );
}

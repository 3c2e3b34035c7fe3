import { format, messages } from '../../app/language.ts';
import { moveBy, presetsFor, type Range, type Span, zoomBy } from '../../charts/range.ts';
import { Icon, type IconName } from '../../components/icon.tsx';

interface RangeBarProps {
  readonly range: Range;
  readonly shown: Span;
  readonly whole: Span;
  readonly isEventTime: boolean;
  readonly timeZone: string | undefined;
  readonly versions: readonly number[];
  readonly version: number | undefined;
  readonly onRange: (range: Range) => void;
  readonly onVersion: (version: number | undefined) => void;
}

function Step({
  icon,
  label,
  onClick,
}: {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
}) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function Presets({ range, whole, onRange }: Pick<RangeBarProps, 'range' | 'whole' | 'onRange'>) {
  const m = messages.value;
  const f = format.value;
  return (
    <fieldset class="segments" aria-label={m.timeRange}>
      {presetsFor(whole).map(ms => (
        <button
          key={ms}
          type="button"
          aria-pressed={range.kind === 'last' && range.ms === ms}
          aria-label={m.lastSpan(f.duration(ms))}
          onClick={() => onRange({ kind: 'last', ms })}
        >
          {f.shortDuration(ms)}
        </button>
      ))}
      <button type="button" aria-pressed={range.kind === 'all'} onClick={() => onRange({ kind: 'all' })}>
        {m.wholeSpan}
      </button>
    </fieldset>
  );
}

/** The one time range of all charts of the page. */
export function RangeBar(props: RangeBarProps) {
  const { range, shown, whole, onRange, onVersion, versions, version, timeZone } = props;
  const m = messages.value;
  const f = format.value;
  return (
    <div class="range-bar">
      <Presets range={range} whole={whole} onRange={onRange} />
      <div class="steps">
        <Step icon="left" label={m.earlier} onClick={() => onRange(moveBy(shown, -0.5, whole))} />
        <Step icon="right" label={m.later} onClick={() => onRange(moveBy(shown, 0.5, whole))} />
        <Step icon="plus" label={m.zoomIn} onClick={() => onRange(zoomBy(shown, 0.5, whole))} />
        <Step icon="minus" label={m.zoomOut} onClick={() => onRange(zoomBy(shown, 2, whole))} />
      </div>
      {versions.length > 1 && (
        <select
          aria-label={m.versionFilter}
          value={version === undefined ? '' : String(version)}
          onChange={event =>
            onVersion(event.currentTarget.value === '' ? undefined : Number(event.currentTarget.value))
          }
        >
          <option value="">{m.allVersions}</option>
          {versions.map(each => (
            <option key={each} value={String(each)}>
              {m.versionNamed(each)}
            </option>
          ))}
        </select>
      )}
      <span class="range-text">
        {range.kind !== 'fixed' && <span class="following">{m.following}</span>}
        {f.range(shown.fromMs, shown.toMs, timeZone)}
        {props.isEventTime && (
          <span class="event-time" title={m.eventTimeHint}>
            {m.eventTime}
          </span>
        )}
      </span>
      <button
        type="button"
        class={`button small ${range.kind === 'fixed' ? '' : 'invisible'}`}
        disabled={range.kind !== 'fixed'}
        onClick={() => onRange({ kind: 'all' })}
      >
        {m.resetRange}
      </button>
    </div>
  );
}

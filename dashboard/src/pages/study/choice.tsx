/** A labelled choice among names; `nameOf` says what is read for each, where that is not the name itself. */
export function Choice<T extends string>({
  label,
  value,
  options,
  nameOf = option => option,
  onChange,
}: {
  readonly label: string;
  readonly value: T;
  readonly options: readonly T[];
  readonly nameOf?: (option: T) => string;
  readonly onChange: (value: T) => void;
}) {
  return (
    <label class="choice">
      <span>{label}</span>
      <select
        value={value}
        onChange={event => {
          const chosen = options.find(option => option === event.currentTarget.value);
          if (chosen !== undefined) onChange(chosen);
        }}
      >
        {options.map(option => (
          <option key={option} value={option}>
            {nameOf(option)}
          </option>
        ))}
      </select>
    </label>
  );
}

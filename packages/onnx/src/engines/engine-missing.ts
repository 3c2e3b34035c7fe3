/** The package of an engine is not installed; the sentence says which. */
export class EngineMissing extends Error {
  override readonly name = 'EngineMissing';
  readonly packageName: string;

  constructor(packageName: string, options?: ErrorOptions) {
    super(`the package ${packageName} is not installed`, options);
    this.packageName = packageName;
  }
}

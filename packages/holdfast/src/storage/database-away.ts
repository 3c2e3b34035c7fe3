/** SQLSTATE classes of a connection that broke, a server that shuts down or starts, and one that is overloaded. */
const awayState = /^(08|57P|53)/;
const awayErrno = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/;
/** The driver's own errors have no code. */
const awayMessage = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable/;

/** True for an error that says that the database server cannot be reached, or left in the middle. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return awayState.test(code) || awayErrno.test(code) || awayMessage.test(error.message);
}

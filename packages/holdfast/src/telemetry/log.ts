import { type Logger, pino } from 'pino';

export type Log = Logger;

/** JSON lines in ECS field names on stderr, so that stdout stays free for answers. */
export function createLog(service: string, level = 'info'): Log {
  return pino(
    {
      level,
      base: { 'service.name': service, 'process.pid': process.pid },
      timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
      messageKey: 'message',
      errorKey: 'error',
      formatters: { level: label => ({ 'log.level': label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

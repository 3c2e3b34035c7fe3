import type { Calibration } from '../drift/calibrate.ts';
import type { WatchDatabase } from './watch-store.ts';

export async function loadCalibration(
  db: WatchDatabase,
  referenceId: number,
  sizeKey: string,
): Promise<Calibration | undefined> {
  const row = await db
    .selectFrom('watch_calibration')
    .select('calibration')
    .where('reference_id', '=', referenceId)
    .where('size_key', '=', sizeKey)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const calibration: Calibration = JSON.parse(row.calibration);
  return calibration;
}

export async function saveCalibration(
  db: WatchDatabase,
  referenceId: number,
  sizeKey: string,
  calibration: Calibration,
): Promise<void> {
  await db
    .insertInto('watch_calibration')
    .values({ reference_id: referenceId, size_key: sizeKey, calibration: JSON.stringify(calibration) })
    .orReplace()
    .execute();
}

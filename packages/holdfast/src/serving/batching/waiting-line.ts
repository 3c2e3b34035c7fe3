/** What a line knows of a request that waits in it. */
export interface Waiting {
  readonly rows: number;
  /** Requests of one lane may share a run. */
  readonly lane: string;
  /** Whose request it is; callers take turns. */
  readonly caller: string;
  /** A caller of weight 2 gets twice the rows of one of weight 1. */
  readonly weight: number;
  /** 1 goes first. */
  readonly level: number;
  readonly queuedAtMs: number;
  /** Its turn among the requests of its level; the line's own. */
  turn: number;
}

/** The waiting requests of one priority. */
interface Level<J> {
  readonly number: number;
  /** By lane, in the order of their turns. Invariant: no list is empty. */
  readonly lanes: Map<string, J[]>;
  requests: number;
  rows: number;
  /** The turn of the last request that left to be run. */
  nowAt: number;
  /** When each caller's next request has its turn, for callers that are ahead of `nowAt`. */
  readonly nextTurn: Map<string, number>;
  /** Rows that wait, by caller. */
  readonly rowsOf: Map<string, number>;
}

/** The requests of one lane and one level, in order; borrowed until the line changes. */
export interface Lane<J> {
  readonly level: number;
  readonly name: string;
  readonly jobs: readonly J[];
}

/** Later than any turn that is reached by counting rows. */
const delayedTurn = 2 ** 50;
/** Callers remembered before those that are no longer ahead are forgotten. */
const rememberedCallers = 1024;

function byTurn<J extends Waiting>(a: J, b: J): number {
  return a.turn - b.turn;
}

/**
 * Who is next. More urgent levels go first; within a level callers share by rows: a request's turn is where its caller's
 * last one ended, or now if the caller was idle (start-time fair queueing, Goyal et al. 1996). For a single caller that
 * is the order of arrival.
 */
export class WaitingLine<J extends Waiting> {
  /** The most urgent first. */
  readonly #levels: Level<J>[] = [];
  #rows = 0;
  #requests = 0;

  get rows(): number {
    return this.#rows;
  }

  get requests(): number {
    return this.#requests;
  }

  requestsAt(level: number): number {
    return this.#levels.find(({ number }) => number === level)?.requests ?? 0;
  }

  /** Whether nobody but this caller waits. */
  isOnly(caller: string): boolean {
    return this.#levels.every(({ rowsOf }) => rowsOf.size === 0 || (rowsOf.size === 1 && rowsOf.has(caller)));
  }

  #level(number: number): Level<J> {
    let at = 0;
    while (at < this.#levels.length && this.#levels[at]!.number < number) at++;
    const found = this.#levels[at];
    if (found?.number === number) return found;
    const level: Level<J> = {
      number,
      lanes: new Map(),
      requests: 0,
      rows: 0,
      nowAt: 0,
      nextTurn: new Map(),
      rowsOf: new Map(),
    };
    this.#levels.splice(at, 0, level);
    return level;
  }

  #turnOf(level: Level<J>, { caller }: J): number {
    return Math.max(level.nowAt, level.nextTurn.get(caller) ?? 0);
  }

  add(job: J): void {
    const level = this.#level(job.level);
    job.turn = this.#turnOf(level, job);
    if (level.nextTurn.size >= rememberedCallers) {
      for (const [caller, turn] of level.nextTurn) if (turn <= level.nowAt) level.nextTurn.delete(caller);
    }
    level.nextTurn.set(job.caller, job.turn + job.rows / job.weight);
    this.#insert(level, job);
  }

  /** Back to its old turn. */
  putBack(job: J): void {
    this.#insert(this.#level(job.level), job);
  }

  /** Behind everyone of its level who has not been delayed. */
  delay(job: J): void {
    this.remove(job);
    if (job.turn < delayedTurn) job.turn += delayedTurn;
    this.putBack(job);
  }

  #insert(level: Level<J>, job: J): void {
    const jobs = level.lanes.get(job.lane);
    if (jobs === undefined) level.lanes.set(job.lane, [job]);
    else {
      let at = jobs.length;
      while (at > 0 && jobs[at - 1]!.turn > job.turn) at--;
      if (at === jobs.length) jobs.push(job);
      else jobs.splice(at, 0, job);
    }
    level.requests++;
    level.rows += job.rows;
    level.rowsOf.set(job.caller, (level.rowsOf.get(job.caller) ?? 0) + job.rows);
    this.#rows += job.rows;
    this.#requests++;
  }

  remove(job: J): void {
    const level = this.#level(job.level);
    const jobs = level.lanes.get(job.lane);
    const at = jobs?.indexOf(job) ?? -1;
    if (jobs === undefined || at < 0) return;
    jobs.splice(at, 1);
    if (jobs.length === 0) level.lanes.delete(job.lane);
    level.requests--;
    level.rows -= job.rows;
    const left = (level.rowsOf.get(job.caller) ?? 0) - job.rows;
    if (left > 0) level.rowsOf.set(job.caller, left);
    else level.rowsOf.delete(job.caller);
    this.#rows -= job.rows;
    this.#requests--;
    if (level.requests > 0) return;
    // Nobody waits: who was ahead of whom no longer matters.
    level.nowAt = 0;
    level.nextTurn.clear();
  }

  /** Leaves to be run. */
  take(job: J): void {
    const level = this.#level(job.level);
    if (job.turn < delayedTurn) level.nowAt = Math.max(level.nowAt, job.turn);
    this.remove(job);
  }

  /**
   * The lanes in the order that they deserve a runner.
   * @param promoteAfterMs a lane with a request that waited so long comes before more urgent ones
   */
  lanes(nowMs: number, promoteAfterMs = Number.POSITIVE_INFINITY): Lane<J>[] {
    const lanes: Lane<J>[] = [];
    for (const level of this.#levels) {
      const first = lanes.length;
      for (const [name, jobs] of level.lanes) lanes.push({ level: level.number, name, jobs });
      if (lanes.length - first < 2) continue;
      const sorted = lanes.splice(first).toSorted((a, b) => byTurn(a.jobs[0]!, b.jobs[0]!));
      lanes.push(...sorted);
    }
    if (promoteAfterMs === Number.POSITIVE_INFINITY || lanes.length < 2) return lanes;
    const oldest = new Map(lanes.map(lane => [lane, Math.min(...lane.jobs.map(({ queuedAtMs }) => queuedAtMs))]));
    const promoted = lanes
      .filter(lane => nowMs - oldest.get(lane)! >= promoteAfterMs)
      .toSorted((a, b) => oldest.get(a)! - oldest.get(b)!);
    return promoted.length === 0 ? lanes : [...promoted, ...lanes.filter(lane => !promoted.includes(lane))];
  }

  /** The requests that may share a run with the first of this lane, in order: its own, then those of other levels. */
  companyOf(lane: Lane<J>): readonly J[] {
    if (this.#levels.length === 1) return lane.jobs;
    const others = this.#levels.filter(({ number }) => number !== lane.level);
    return [...lane.jobs, ...others.flatMap(({ lanes }) => lanes.get(lane.name) ?? [])];
  }

  /** Rows that go before a request that arrives now. */
  rowsBefore(job: J): number {
    let rows = 0;
    for (const level of this.#levels) {
      if (level.number > job.level) break;
      if (level.number < job.level || level.rowsOf.size === 0 || this.isOnly(job.caller)) rows += level.rows;
      else {
        const turn = this.#turnOf(level, job);
        for (const jobs of level.lanes.values()) for (const other of jobs) if (other.turn <= turn) rows += other.rows;
      }
    }
    return rows;
  }

  /**
   * Who gives up its place to a request that arrives at a full line: the least urgent, if they are less urgent than it;
   * else, of its level, the last of the caller with the most rows, as long as that one keeps more than the newcomer's
   * caller has. Undefined when that makes too little room.
   */
  victims(job: J, neededRows: number): J[] | undefined {
    const victims: J[] = [];
    let rows = 0;
    const add = (victim: J): boolean => {
      victims.push(victim);
      rows += victim.rows;
      return rows >= neededRows;
    };
    for (const level of this.#levels.toReversed()) {
      if (level.number <= job.level) break;
      for (const one of [...level.lanes.values()].flat().toSorted(byTurn).toReversed()) {
        if (add(one)) return victims;
      }
    }
    const level = this.#level(job.level);
    const own = ((level.rowsOf.get(job.caller) ?? 0) + job.rows) / job.weight;
    const shares = new Map(level.rowsOf);
    shares.delete(job.caller);
    const latest = [...level.lanes.values()].flat().toSorted(byTurn).toReversed();
    while (shares.size > 0) {
      const [caller, held] = [...shares].reduce((most, one) => (one[1] > most[1] ? one : most));
      const victim = latest.find(one => one.caller === caller && !victims.includes(one));
      if (victim === undefined || (held - victim.rows) / victim.weight < own) shares.delete(caller);
      else if (add(victim)) return victims;
      else shares.set(caller, held - victim.rows);
    }
    return undefined;
  }

  /** All that wait. */
  all(): J[] {
    return this.#levels.flatMap(({ lanes }) => [...lanes.values()].flat());
  }
}

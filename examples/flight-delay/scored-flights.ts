/** Flights with the model's score and the truth, as they come: how many were late and how well the score ranks them. */
export class ScoredFlights {
  #scores = new Float32Array(4096);
  #late = new Uint8Array(4096);
  #rows = 0;
  #lateRows = 0;

  get rows(): number {
    return this.#rows;
  }

  /** Share of late flights, 0 to 1; NaN without flights. */
  get lateShare(): number {
    return this.#lateRows / this.#rows;
  }

  /** @param score the model's probability of being late; @param late 1 when it was */
  add(score: number, late: number): void {
    if (this.#rows === this.#scores.length) this.#grow();
    this.#scores[this.#rows] = score;
    this.#late[this.#rows] = late;
    this.#lateRows += late;
    this.#rows++;
  }

  /** Area under the ROC curve of everything added so far; NaN while one of the classes is missing. */
  areaUnderCurve(): number {
    return areaUnderCurve(this.#scores.subarray(0, this.#rows), this.#late.subarray(0, this.#rows));
  }

  #grow(): void {
    const scores = new Float32Array(this.#rows * 2);
    const late = new Uint8Array(this.#rows * 2);
    scores.set(this.#scores);
    late.set(this.#late);
    this.#scores = scores;
    this.#late = late;
  }
}

/**
 * The share of (late, punctual) pairs in which the late flight has the larger score, ties counted half (the
 * Mann-Whitney U statistic over the number of pairs).
 */
function areaUnderCurve(scores: Float32Array, late: Uint8Array): number {
  const lateScores = sortedScores(scores, late, 1);
  const punctualScores = sortedScores(scores, late, 0);
  let below = 0;
  let notAbove = 0;
  let pairs = 0;
  for (const score of lateScores) {
    while (below < punctualScores.length && punctualScores[below]! < score) below++;
    while (notAbove < punctualScores.length && punctualScores[notAbove]! <= score) notAbove++;
    pairs += (below + notAbove) / 2;
  }
  return pairs / (lateScores.length * punctualScores.length);
}

function sortedScores(scores: Float32Array, late: Uint8Array, wanted: 0 | 1): Float32Array {
  return scores.filter((_, row) => late[row] === wanted).sort();
}

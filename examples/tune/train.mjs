// Trains a network with one hidden layer on two interleaved half-moons, reports the validation loss after every epoch, and
// goes on from its checkpoint. Nothing here knows Holdfast: arguments in, JSON lines out.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: Object.fromEntries(['rate', 'hidden', 'momentum', 'decay'].map(name => [name, { type: 'string' }])),
});
const [rate, hidden, momentum, decay] = ['rate', 'hidden', 'momentum', 'decay'].map(name => Number(values[name]));
// A population trains in intervals; one that is not told when to end trains to its end.
const epochs = Number(process.env.HOLDFAST_UNTIL_STEP ?? 20);

/** Uniform numbers from a seed (mulberry32), so that every run sees the same data. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function moons(count, seed) {
  const next = uniform(seed);
  const noise = () => (next() + next() + next() - 1.5) * 0.35;
  return Array.from({ length: count }, (_, i) => {
    const label = i % 2;
    const angle = Math.PI * next();
    const x = label === 0 ? Math.cos(angle) : 1 - Math.cos(angle);
    const y = label === 0 ? Math.sin(angle) : 0.5 - Math.sin(angle);
    return { inputs: [x + noise(), y + noise()], label };
  });
}

const training = moons(400, 1);
const validation = moons(400, 2);
const draw = uniform(Number(process.env.HOLDFAST_SEED ?? 0));
const size = hidden * 4 + 1;
let weights = Array.from({ length: size }, () => draw() * 2 - 1);
let velocity = new Array(size).fill(0);
let epoch = 0;

const checkpoint = join(process.env.HOLDFAST_CHECKPOINT_DIR ?? '.', 'weights.json');
if (existsSync(checkpoint)) ({ weights, velocity, epoch } = JSON.parse(readFileSync(checkpoint, 'utf8')));

/** Hidden activations and the probability of class 1; unit k has weights 4k (two inputs, bias, output). */
function forward([x, y]) {
  const active = [];
  let sum = weights[size - 1];
  for (let k = 0; k < hidden; k++) {
    const unit = Math.tanh(weights[4 * k] * x + weights[4 * k + 1] * y + weights[4 * k + 2]);
    active.push(unit);
    sum += unit * weights[4 * k + 3];
  }
  return { active, probability: 1 / (1 + Math.exp(-sum)) };
}

function train() {
  for (const { inputs, label } of training) {
    const { active, probability } = forward(inputs);
    const error = probability - label;
    const move = (index, gradient) => {
      velocity[index] = momentum * velocity[index] - rate * 0.1 * (gradient + decay * weights[index]);
      weights[index] += velocity[index];
    };
    for (let k = 0; k < hidden; k++) {
      const back = error * weights[4 * k + 3] * (1 - active[k] ** 2);
      move(4 * k + 3, error * active[k]);
      move(4 * k, back * inputs[0]);
      move(4 * k + 1, back * inputs[1]);
      move(4 * k + 2, back);
    }
    move(size - 1, error);
  }
}

function loss(rows) {
  let sum = 0;
  for (const { inputs, label } of rows) {
    const { probability } = forward(inputs);
    sum -= Math.log(Math.max(1e-12, label === 1 ? probability : 1 - probability));
  }
  return sum / rows.length;
}

while (epoch < epochs) {
  train();
  epoch++;
  // Renamed when it is whole: a trial can be stopped at any time, and goes on from what is there.
  writeFileSync(`${checkpoint}.new`, JSON.stringify({ weights, velocity, epoch }));
  renameSync(`${checkpoint}.new`, checkpoint);
  console.log(JSON.stringify({ step: epoch, loss: loss(validation) }));
}

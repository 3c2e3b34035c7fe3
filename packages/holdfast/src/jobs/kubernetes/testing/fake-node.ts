import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredPod } from './object-store.ts';

export interface ContainerExit {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason: string;
  readonly message?: string;
}

interface LogLine {
  readonly time: string;
  readonly text: string;
}

/** `$(NAME)` becomes the value of a variable that is known, `$$` a dollar sign; anything else stays. */
function expanded(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (found, name: string | undefined) =>
    found === '$$' ? '$' : (variables[name ?? ''] ?? found),
  );
}

/** What the kubelet and the container runtime do: runs a pod's command, here as a local process, and keeps its log. */
export class RunningContainer {
  readonly lines: LogLine[] = [];
  readonly exited: Promise<ContainerExit>;
  #child: ChildProcess | undefined;
  #isOver = false;
  readonly #waiting = new Set<() => void>();

  constructor(pod: StoredPod, volumesFolder: string) {
    this.exited = this.#run(pod, volumesFolder).then(exit => {
      this.#isOver = true;
      this.#wake();
      return exit;
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when there is a further line, or none will come. */
  more(): Promise<void> {
    return new Promise(resolve => this.#waiting.add(resolve));
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid === undefined || this.#isOver) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // It has ended.
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #print(text: string): void {
    const nanos = `${String(Math.floor(performance.now() * 1e6) % 1e6).padStart(6, '0')}`;
    // Trailing zeros are left out, as RFC3339Nano does.
    const time = `${new Date().toISOString().slice(0, 23)}${nanos}`.replace(/0+$/, '');
    this.lines.push({ time: `${time}Z`, text });
    this.#wake();
  }

  async #run(pod: StoredPod, volumesFolder: string): Promise<ContainerExit> {
    const [container] = pod.spec.containers;
    const inside = mounted(pod, volumesFolder);
    const variables: Record<string, string> = {};
    for (const { name, value } of container.env) variables[name] = inside(expanded(value, variables));
    const given = (word: string): string => inside(expanded(word, variables));
    const [first, ...rest] = container.command;
    const [program, args] = [given(first), rest.map(given)];
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, ...variables },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        for (const line of parts) this.#print(line);
      });
    }
    return new Promise(resolve => {
      child.once('error', () => {
        const message = `exec: "${program}": executable file not found in $PATH`;
        resolve({ exitCode: 128, reason: 'StartError', message });
      });
      child.once('close', (code, signal) => {
        if (signal === null) resolve({ exitCode: code ?? 1, reason: code === 0 ? 'Completed' : 'Error' });
        else resolve({ exitCode: signal === 'SIGKILL' ? 137 : 143, reason: 'Error' });
      });
    });
  }
}

/** Lays out the volumes of a pod in a local folder; answers texts with the paths of its mounts replaced by those. */
function mounted(pod: StoredPod, volumesFolder: string): (text: string) => string {
  const [container] = pod.spec.containers;
  const places = container.volumeMounts.map(mount => {
    const volume = pod.spec.volumes.find(candidate => candidate.name === mount.name);
    const claim = volume?.persistentVolumeClaim?.claimName;
    const root =
      claim === undefined ? join(volumesFolder, 'pods', pod.metadata.name, mount.name) : join(volumesFolder, claim);
    const path = join(root, mount.subPath ?? '');
    mkdirSync(path, { recursive: true });
    for (const { path: file, fieldRef } of volume?.downwardAPI?.items ?? []) {
      const key = /^metadata\.annotations\['(.+)'\]$/.exec(fieldRef.fieldPath)?.[1] ?? '';
      writeFileSync(join(path, file), pod.metadata.annotations[key] ?? '');
    }
    return { mountPath: mount.mountPath, path };
  });
  const longestFirst = places.toSorted((a, b) => b.mountPath.length - a.mountPath.length);
  return text => longestFirst.reduce((changed, { mountPath, path }) => changed.replaceAll(mountPath, path), text);
}

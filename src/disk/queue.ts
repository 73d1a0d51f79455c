import type { Delivery, Job, Work } from '../store/work.ts';
import { type Cell, type Database, type Statement, unavailable } from './database.ts';

const MAX_BYTES = 48 * 1024;

/** Jobs in SQLite. The attempt number is the receipt: a delivery that came back to others can no longer be done. */
export class DiskWork implements Work {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #insert: Statement;
  readonly #due: Statement;
  readonly #hide: Statement;
  readonly #delete: Statement;

  constructor(database: Database, now: () => number) {
    this.#database = database;
    this.#now = now;
    this.#insert = database.prepare('INSERT INTO job (due, attempt, body) VALUES (?, 0, ?)');
    this.#due = database.prepare('SELECT id, attempt, body FROM job WHERE due <= ? ORDER BY due, id LIMIT ?');
    this.#hide = database.prepare('UPDATE job SET due = ?, attempt = ? WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM job WHERE id = ? AND attempt = ?');
  }

  async send(job: Job, delaySeconds = 0): Promise<void> {
    const body = JSON.stringify(job);
    if (Buffer.byteLength(body) > MAX_BYTES) throw new RangeError('a job is larger than 48 KiB');
    const due = this.#now() + delaySeconds * 1000;
    await this.#database.write(() => this.#insert.run(due, body));
  }

  async receive(max: number, hideSeconds: number): Promise<readonly Delivery[]> {
    if (max < 1 || max > 32) throw new RangeError(`1 to 32 jobs are handed out at once, not ${max}`);
    // Most polls find nothing: those must not write.
    if (this.#waiting(1).length === 0) return [];
    return await this.#database.write(() => {
      const hidden = this.#now() + hideSeconds * 1000;
      return this.#waiting(max).map(([id = null, last, body]) => {
        const attempt = Number(last) + 1;
        this.#hide.run(hidden, attempt, id);
        const done = () => this.#database.write(() => this.#delete.run(id, attempt));
        return { body: JSON.parse(String(body)) as unknown, attempt, done };
      });
    });
  }

  #waiting(max: number): readonly (readonly Cell[])[] {
    try {
      return this.#due.all(this.#now(), max);
    } catch (error) {
      throw unavailable(error);
    }
  }
}

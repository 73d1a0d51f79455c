/** What a lock forbids (ACR wire section 2.2). */
export type Lock = 'delete' | 'list' | 'read' | 'write';

/** What may be done with an object, in ACR's words and order; all true on one that has no locks. */
export interface Attributes {
  readonly deleteEnabled: boolean;
  readonly writeEnabled: boolean;
  readonly readEnabled: boolean;
  readonly listEnabled: boolean;
}

/** A row that may be locked: the first letters of its locks in order, as in `dw`; absent or empty for none. */
export interface Lockable {
  readonly locks?: string | undefined;
}

const LOCKS: readonly Lock[] = ['delete', 'list', 'read', 'write'];

export function attributesOf(row: Lockable): Attributes {
  return {
    deleteEnabled: !isLocked(row, 'delete'),
    writeEnabled: !isLocked(row, 'write'),
    readEnabled: !isLocked(row, 'read'),
    listEnabled: !isLocked(row, 'list'),
  };
}

/** The locks of a row after a change; attributes left out stay as they are. */
export function locksAfter(row: Lockable, change: Partial<Attributes>): string {
  const next = { ...attributesOf(row), ...change };
  return LOCKS.filter((lock) => !next[`${lock}Enabled`])
    .map((lock) => lock.charAt(0))
    .join('');
}

/** Whether a row has any of these locks. */
export function isLocked(row: Lockable | undefined, ...locks: readonly Lock[]): boolean {
  return locks.some((lock) => row?.locks?.includes(lock.charAt(0)) ?? false);
}

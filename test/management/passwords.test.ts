import { expect, test } from 'vitest';
import { adminPasswords } from '../../src/access/admin.ts';
import { generatePasswords, putToken } from '../../src/access/tokens.ts';
import { openTestApp } from '../support/app.ts';

test('no password begins with a dash, which `az --password` would take for an option', async () => {
  const app = await openTestApp();
  try {
    const { context } = app.app;
    const values = Array.from({ length: 500 }, (_, i) =>
      adminPasswords(context, app.registry, { admin: { enabled: true, generations: [i, i] } }),
    ).flatMap((passwords) => passwords.map(({ value }) => value));
    expect(new Set(values).size).toBe(1000);
    expect(values.filter((value) => value.startsWith('-'))).toEqual([]);

    await putToken(context, app.registry, 'builder', { scopeMap: '_repositories_pull' });
    // Such bytes begin with a dash when they are written by the alphabet for URLs.
    const unlucky = { ...context, random: (length: number) => new Uint8Array(length).fill(0xf8) };
    const [password] = await generatePasswords(unlucky, app.registry, 'builder', ['password1']);
    expect(password?.value).toMatch(/^[\w][\w-]{42}$/);
  } finally {
    await app.close();
  }
});

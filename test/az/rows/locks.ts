import assert from 'node:assert/strict';

import type { Site } from '../site.ts';
import { type Image, UNLOCKED, member, pushImage, setTag, statusOf, texts } from '../stock.ts';
import type { Row } from './row.ts';

const AT = ['--name', 'localhost'] as const;
/** The registry's own words, which `az` must show. */
const DISALLOWED = /The operation is disallowed on this registry, repository or image/;

const DIGESTS = ['--query', '[].digest'] as const;

const KINDS = ['delete', 'write', 'read', 'list'] as const;
const SUBJECTS = ['repository', 'tag', 'manifest'] as const;

/** A repository with one image under the tag `v1` and another, one thing of which is locked. */
type Locked = {
  readonly site: Site;
  readonly name: string;
  readonly image: Image;
  readonly other: Image;
};

/** What must not work while locked, and must work again afterwards. */
type Effect = (locked: Locked, on: boolean) => Promise<void>;

/** By lock and by what is locked (ACR wire section 2.2). */
const EFFECTS: Readonly<Record<(typeof KINDS)[number], Readonly<Record<(typeof SUBJECTS)[number], Effect>>>> =
  {
    delete: {
      repository: deletes(({ name }) => ['delete', '--repository', name, '--yes']),
      tag: deletes(({ name }) => ['untag', '--image', `${name}:v1`]),
      manifest: deletes(({ name, image }) => ['delete', '--image', `${name}@${image.digest}`, '--yes']),
    },
    write: {
      repository: pushes('v2'),
      tag: pushes('v1'),
      manifest: deletes(({ name, image }) => ['delete', '--image', `${name}@${image.digest}`, '--yes']),
    },
    read: {
      repository: pulls(() => 'v1'),
      tag: pulls(() => 'v1'),
      manifest: pulls(({ image }) => image.digest),
    },
    list: {
      repository: lists(
        () => ['repository list', ...AT],
        ({ name }) => name,
      ),
      tag: lists(
        ({ name }) => ['repository show-tags', ...AT, '--repository', name],
        () => 'v1',
      ),
      manifest: lists(
        ({ name }) => ['manifest list-metadata', '--registry', 'localhost', '--name', name, ...DIGESTS],
        ({ image }) => image.digest,
      ),
    },
  };

const WORDS = {
  delete: 'not deleted until unlocked',
  write: 'not changed until unlocked',
  read: 'not pulled until unlocked',
  list: 'shown but not listed until unlocked',
} as const;

/** `az acr repository update`: each lock on each thing, what it forbids, and that unlocking ends it. */
export const locks: readonly Row[] = SUBJECTS.flatMap((subject) =>
  KINDS.map((kind) => ({
    command: `repository update --${kind}-enabled`,
    what: `${subject}: ${WORDS[kind]}`,
    run: async (site) => await lockAndUnlock(site, subject, kind),
  })),
);

async function lockAndUnlock(
  site: Site,
  subject: (typeof SUBJECTS)[number],
  kind: (typeof KINDS)[number],
): Promise<void> {
  const name = site.fresh();
  const image = await pushImage(site, name, ['v1']);
  const other = await pushImage(site, name, ['other']);
  const target = {
    repository: ['--repository', name],
    tag: ['--image', `${name}:v1`],
    manifest: ['--image', `${name}@${image.digest}`],
  }[subject];
  const update = async (value: string) =>
    member(
      await site.admin.json('acr repository update', ...AT, ...target, `--${kind}-enabled`, value),
      'changeableAttributes',
    );
  assert.deepEqual(await update('false'), { ...UNLOCKED, [`${kind}Enabled`]: false });
  await EFFECTS[kind][subject]({ site, name, image, other }, true);
  const shown = await site.admin.json('acr repository show', ...AT, ...target);
  assert.equal(member(shown, 'changeableAttributes', `${kind}Enabled`), false);
  assert.deepEqual(await update('true'), UNLOCKED);
  await EFFECTS[kind][subject]({ site, name, image, other }, false);
}

function deletes(command: (locked: Locked) => readonly string[]): Effect {
  return async (locked, on) => {
    const { site, name } = locked;
    const [verb = '', ...rest] = command(locked);
    const args = [`acr repository ${verb}`, ...AT, ...rest] as const;
    if (on) {
      assert.match(await site.admin.refusal(...args), DISALLOWED);
      assert.equal(await statusOf(site, name, 'v1'), 200);
    } else {
      await site.admin.json(...args);
      assert.equal(await statusOf(site, name, 'v1'), 404);
    }
  };
}

function pushes(tag: string): Effect {
  return async ({ site, name, other }, on) => {
    const setting = setTag(site, name, tag, other);
    if (on) await assert.rejects(setting, DISALLOWED);
    else await setting;
  };
}

function pulls(reference: (locked: Locked) => string): Effect {
  return async (locked, on) => {
    assert.equal(await statusOf(locked.site, locked.name, reference(locked)), on ? 405 : 200);
  };
}

function lists(command: (locked: Locked) => readonly string[], entry: (locked: Locked) => string): Effect {
  return async (locked, on) => {
    const [what, ...options] = command(locked);
    const listed = texts(await locked.site.admin.json(`acr ${what}`, ...options));
    assert.equal(listed.includes(entry(locked)), !on);
  };
}

import { CommandError, UsageError } from '../arguments.ts';
import type { Api } from '../client/api.ts';
import type { Group, Invocation } from '../command.ts';
import { type Column, textAt } from '../output.ts';

const COLUMNS: readonly Column[] = [
  ['Repository', 'imageName'],
  ['Tag', 'tag.name'],
  ['Digest', 'tag.digest'],
  ['Updated', 'tag.lastUpdateTime'],
];

/** `repository:tag` or `repository@digest`, as people name images. */
interface Image {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

export const image: Group = {
  name: 'image',
  about: 'Images and artifacts: give them tags and copy them, without moving bytes.',
  commands: [
    {
      name: 'copy',
      about: 'Copy an image to another repository of the registry, or give it another tag in its own.',
      operands: ['source', 'target'],
      examples: [
        'functionary image copy build/app:1.4.2 prod/app:stable',
        'functionary image copy build/app@sha256:… prod/app:1.4.2',
      ],
      run: async (invocation) => {
        const source = parseImage(invocation.arguments.operand('source'));
        const { repository, tag } = parseImage(invocation.arguments.operand('target'));
        if (tag === undefined) throw new UsageError('the target is repository:tag');
        await setTag(invocation, source, repository, tag);
      },
    },
    {
      name: 'tag',
      about: 'Give an image another tag in its repository.',
      operands: ['image', 'tag'],
      examples: ['functionary image tag prod/app:1.4.2 stable'],
      run: async (invocation) => {
        const source = parseImage(invocation.arguments.operand('image'));
        await setTag(invocation, source, source.repository, invocation.arguments.operand('tag'));
      },
    },
  ],
};

async function setTag(
  { api, print }: Invocation,
  source: Image,
  repository: string,
  tag: string,
): Promise<void> {
  const client = await api();
  await demandOwnHost(client);
  const path = `/acr/v1/${encodeURIComponent(repository)}/_tags/${encodeURIComponent(tag)}`;
  print(await client.call('PUT', path, source), COLUMNS);
}

/** The host decides which registry serves images; the one that was chosen may have another. */
async function demandOwnHost(client: Api): Promise<void> {
  const host = textAt(await client.call('GET', '.'), 'properties.loginServer');
  if (host !== new URL(client.session.server).host) {
    throw new CommandError(`the registry serves images at ${host}; sign in there: functionary login ${host}`);
  }
}

function parseImage(text: string): Image {
  const [, repository = '', tag, digest] = /^([^:@]+)(?::([^:@]+)|@([^@]+))$/.exec(text) ?? [];
  if (tag !== undefined) return { repository, tag };
  if (digest !== undefined) return { repository, digest };
  throw new UsageError(`"${text}" is not an image: name it repository:tag or repository@digest`);
}

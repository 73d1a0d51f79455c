/** The repository that everybody asks about. */
export const REPOSITORY = 'team/app';

/**
 * Who may do what in the repository `team/app`: `x` for yes. `sign-in` is `GET /v2/`. "All" stands for the five
 * actions of scope maps. Sources: ACR wire section 3.4, ACR features section 4.
 */
const WHO_MAY = `
                                                             | sign-in | catalog | pull | push | delete | metadata_read | metadata_write | attributes | quarantine_write | deleted_catalog | deleted_read | deleted_restore
  nobody                                                     |         |         |      |      |        |               |                |            |                  |                 |              |
  nobody where anybody may pull *                            |         |         |      |      |        |               |                |            |                  |                 |              |
  anonymous                                                  |    x    |         |      |      |        |               |                |            |                  |                 |              |
  anonymous where anybody may pull *                         |    x    |         |  x   |      |        |       x       |                |            |                  |                 |              |
  anonymous where anybody may pull team/*                    |    x    |         |  x   |      |        |       x       |                |            |                  |                 |              |
  anonymous where anybody may pull team/app                  |    x    |         |  x   |      |        |       x       |                |            |                  |                 |              |
  anonymous where anybody may pull team/app/*                |    x    |         |      |      |        |               |                |            |                  |                 |              |
  anonymous where anybody may pull other/*                   |    x    |         |      |      |        |               |                |            |                  |                 |              |

  admin                                                      |    x    |    x    |  x   |  x   |   x    |       x       |       x        |     x      |                  |        x        |      x       |        x
  admin while disabled                                       |         |         |      |      |        |               |                |            |                  |                 |              |

  token content/read on *                                    |    x    |         |  x   |      |        |               |                |            |                  |                 |              |
  token content/write on *                                   |    x    |         |      |  x   |        |               |                |            |                  |                 |              |
  token content/delete on *                                  |    x    |         |      |      |   x    |               |                |            |                  |                 |              |
  token metadata/read on *                                   |    x    |    x    |      |      |        |       x       |                |            |                  |                 |              |
  token metadata/write on *                                  |    x    |         |      |      |        |               |       x        |     x      |                  |                 |              |
  token metadataRead on *                                    |    x    |    x    |      |      |        |       x       |                |            |                  |                 |              |
  token metadataWrite on *                                   |    x    |         |      |      |        |               |       x        |     x      |                  |                 |              |
  token content/read on team/app                             |    x    |         |  x   |      |        |               |                |            |                  |                 |              |
  token content/write on team/app                            |    x    |         |      |  x   |        |               |                |            |                  |                 |              |
  token content/delete on team/app                           |    x    |         |      |      |   x    |               |                |            |                  |                 |              |
  token metadata/read on team/app                            |    x    |         |      |      |        |       x       |                |            |                  |                 |              |
  token metadata/write on team/app                           |    x    |         |      |      |        |               |       x        |     x      |                  |                 |              |
  token all on *                                             |    x    |    x    |  x   |  x   |   x    |       x       |       x        |     x      |                  |                 |              |
  token all on team/*                                        |    x    |         |  x   |  x   |   x    |       x       |       x        |     x      |                  |                 |              |
  token all on team/app                                      |    x    |         |  x   |  x   |   x    |       x       |       x        |     x      |                  |                 |              |
  token all on team/app/*                                    |    x    |         |      |      |        |               |                |            |                  |                 |              |
  token all on team                                          |    x    |         |      |      |        |               |                |            |                  |                 |              |
  token all on tea/*                                         |    x    |         |      |      |        |               |                |            |                  |                 |              |
  token all on team/apple                                    |    x    |         |      |      |        |               |                |            |                  |                 |              |
  token all on other/*                                       |    x    |         |      |      |        |               |                |            |                  |                 |              |
  token _repositories_admin                                  |    x    |    x    |  x   |  x   |   x    |       x       |       x        |     x      |                  |                 |              |
  token _repositories_pull                                   |    x    |         |  x   |      |        |               |                |            |                  |                 |              |
  token _repositories_pull_metadata_read                     |    x    |    x    |  x   |      |        |       x       |                |            |                  |                 |              |
  token _repositories_push                                   |    x    |         |  x   |  x   |        |               |                |            |                  |                 |              |
  token _repositories_push_metadata_write                    |    x    |    x    |  x   |  x   |        |       x       |       x        |     x      |                  |                 |              |
  token none                                                 |    x    |         |      |      |        |               |                |            |                  |                 |              |

  principal                                                  |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrPull                                       |    x    |    x    |  x   |      |        |       x       |                |            |                  |                 |              |
  principal as AcrPush                                       |    x    |    x    |  x   |  x   |        |       x       |                |            |                  |                 |              |
  principal as AcrDelete                                     |    x    |         |      |      |   x    |               |                |            |                  |                 |              |
  principal as AcrQuarantineReader                           |    x    |         |  x   |      |        |       x       |                |            |                  |                 |              |
  principal as AcrQuarantineWriter                           |    x    |         |  x   |      |        |       x       |                |     x      |        x         |                 |              |
  principal as Owner                                         |    x    |    x    |  x   |  x   |   x    |       x       |       x        |     x      |                  |        x        |      x       |        x
  principal as Contributor                                   |    x    |    x    |  x   |  x   |   x    |       x       |       x        |     x      |                  |        x        |      x       |        x
  principal as Reader                                        |    x    |    x    |  x   |      |        |       x       |                |            |                  |                 |              |
  principal as Container Registry Repository Reader          |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Container Registry Repository Writer          |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Container Registry Repository Contributor     |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Container Registry Repository Catalog Lister  |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrPush + AcrDelete                           |    x    |    x    |  x   |  x   |   x    |       x       |                |            |                  |                 |              |

 by repository roles:
  principal                                                  |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrPull                                       |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrPush                                       |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrDelete                                     |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrQuarantineReader                           |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as AcrQuarantineWriter                           |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Owner                                         |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Contributor                                   |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Reader                                        |    x    |         |      |      |        |               |                |            |                  |                 |              |
  principal as Container Registry Repository Reader          |    x    |         |  x   |      |        |       x       |                |            |                  |                 |              |
  principal as Container Registry Repository Writer          |    x    |         |  x   |  x   |        |       x       |       x        |     x      |                  |                 |              |
  principal as Container Registry Repository Contributor     |    x    |         |  x   |  x   |   x    |       x       |       x        |     x      |                  |                 |              |
  principal as Container Registry Repository Catalog Lister  |    x    |    x    |      |      |        |               |                |            |                  |                 |              |
  principal as Container Registry Repository Reader on team/*       |    x    |         |  x   |      |        |       x       |                |            |                  |                 |              |
  principal as Container Registry Repository Contributor on team/app |    x    |         |  x   |  x   |   x    |       x       |       x        |     x      |                  |                 |              |
  principal as Container Registry Repository Contributor on other/*  |    x    |         |      |      |        |               |                |            |                  |                 |              |
`;

/** Every route and what it asks for. A new route needs a line here. */
const ROUTES = `
  GET    /v2/                                    sign-in
  HEAD   /v2/                                    sign-in
  GET    /v2                                     sign-in
  HEAD   /v2                                     sign-in
  GET    /v2/_catalog                            catalog
  GET    /acr/v1/_catalog                        catalog
  GET    /acr/v1/_deleted/_catalog               deleted_catalog
  HEAD   /v2/team/app/manifests/latest           pull
  GET    /v2/team/app/manifests/latest           pull
  PUT    /v2/team/app/manifests/latest           push
  DELETE /v2/team/app/manifests/latest           delete
  POST   /v2/team/app/blobs/uploads/             push
  PATCH  /v2/team/app/blobs/uploads/session      session
  PUT    /v2/team/app/blobs/uploads/session      session
  GET    /v2/team/app/blobs/uploads/session      session
  DELETE /v2/team/app/blobs/uploads/session      session
  HEAD   /v2/team/app/blobs/DIGEST           pull
  GET    /v2/team/app/blobs/DIGEST           pull
  DELETE /v2/team/app/blobs/DIGEST           delete
  GET    /v2/team/app/tags/list                  metadata_read
  GET    /v2/team/app/referrers/DIGEST       pull
  GET    /acr/v1/team/app                        metadata_read
  PATCH  /acr/v1/team/app                        metadata_write
  DELETE /acr/v1/team/app                        delete
  GET    /acr/v1/team/app/_tags                  metadata_read
  GET    /acr/v1/team/app/_tags/latest           metadata_read
  PUT    /acr/v1/team/app/_tags/latest           push
  PATCH  /acr/v1/team/app/_tags/latest           metadata_write
  DELETE /acr/v1/team/app/_tags/latest           delete
  GET    /acr/v1/team/app/_manifests             metadata_read
  GET    /acr/v1/team/app/_manifests/DIGEST      metadata_read
  PATCH  /acr/v1/team/app/_manifests/DIGEST      attributes
  GET    /acr/v1/_deleted/team/app/_tags              deleted_read
  GET    /acr/v1/_deleted/team/app/_manifests         deleted_read
  POST   /acr/v1/_deleted/team/app/_manifests/DIGEST  deleted_restore
`;

/** What a challenge asks for: scope, and the body's detail. */
export const CHALLENGES: Readonly<Record<string, { readonly scope?: string; readonly detail: unknown }>> = {
  'sign-in': { detail: null },
  catalog: {
    scope: 'registry:catalog:*',
    detail: [{ Type: 'registry', Name: 'catalog', Action: '*' }],
  },
  pull: onRepository('pull'),
  push: onRepository('pull', 'push'),
  delete: onRepository('delete'),
  metadata_read: onRepository('metadata_read'),
  metadata_write: onRepository('metadata_write'),
  attributes: onRepository('metadata_write'),
  quarantine_write: onRepository('quarantine_write'),
  deleted_catalog: {
    scope: 'registry:deleted_catalog:*',
    detail: [{ Type: 'registry', Name: 'deleted_catalog', Action: '*' }],
  },
  deleted_read: onRepository('deleted_read'),
  deleted_restore: onRepository('deleted_read', 'deleted_restore'),
};

function onRepository(...actions: readonly string[]) {
  return {
    scope: `repository:${REPOSITORY}:${actions.join(',')}`,
    detail: actions.map((Action) => ({ Type: 'repository', Name: REPOSITORY, Action })),
  };
}

export interface Row {
  readonly title: string;
  readonly who: string;
  readonly repositoryRoles: boolean;
  readonly may: ReadonlySet<string>;
}

/** The table, read. */
export function readTable(): { readonly columns: readonly string[]; readonly rows: readonly Row[] } {
  const [head = '', ...body] = WHO_MAY.split('\n').filter((line) => line.trim() !== '');
  const names = cells(head).slice(1);
  let repositoryRoles = false;
  const read: Row[] = [];
  for (const line of body) {
    if (line.trim() === 'by repository roles:') {
      repositoryRoles = true;
      continue;
    }
    const [who = '', ...marks] = cells(line);
    if (marks.length !== names.length) throw new Error(`not a row: ${line}`);
    const may = new Set(names.filter((_, i) => marks[i] === 'x'));
    read.push({ title: repositoryRoles ? `${who} (repository)` : who, who, repositoryRoles, may });
  }
  return { columns: names, rows: read };
}

export function readRoutes() {
  return ROUTES.trim()
    .split('\n')
    .map((line) => {
      const [method = '', short = '', permission = ''] = line.trim().split(/\s+/);
      const path = short.replace('DIGEST', `sha256:${'a'.repeat(64)}`);
      return { method, path, permission };
    });
}

function cells(line: string): string[] {
  return line.split('|').map((cell) => cell.trim());
}

import type { Context } from '../store/context.ts';
import type { Entra, EntraOptions } from './openid/directory.ts';

/** Opens the directory. No call yet; its code is loaded when somebody of it signs in, not at a cold start. */
export function openEntra(ctx: Pick<Context, 'now' | 'log'>, options: EntraOptions): Entra {
  let opened: Promise<Entra> | undefined;
  const open = async () => {
    const { openDirectory } = await import('./openid/entra.ts');
    return openDirectory(ctx, options);
  };
  return {
    verify: async (token) => await (await (opened ??= open())).verify(token),
    signIn: async (clientId, secret) => await (await (opened ??= open())).signIn(clientId, secret),
  };
}

import type { Client, Lab } from '../lab/lab.ts';

/** What somebody signs in with. */
export type Login = { readonly username: string; readonly password: string };

/** A client that can be signed in, in one scratch directory. */
export type Station = {
  /**
   * Signs in. Clients that keep credentials without asking the registry say so by `trusting`; with those a wrong
   * password shows at the first push.
   */
  readonly login: (login: Login) => Promise<void>;
  readonly trusting?: boolean;
  /** The lab puts there beforehand what the client adds to. */
  readonly seeds?: boolean;
  /** Left out by clients that keep nothing. */
  readonly logout?: () => Promise<void>;
  /** Puts something into a repository of the lab, under the tag `one`. */
  readonly push: (name: string) => Promise<void>;
  /** Takes it from there; whatever an earlier step has left on this machine does not count. */
  readonly pull: (name: string) => Promise<void>;
};

export type SignInClient = {
  readonly client: Client;
  readonly open: (lab: Lab) => Promise<Station>;
};

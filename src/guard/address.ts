import { BlockList, SocketAddress, isIP } from 'node:net';
import type { RegistryRequest } from '../http/message.ts';

/** Addresses and CIDR ranges of both families; `::/0` is every IPv6 address and no IPv4 one. */
export interface AddressRanges {
  /** `address` as `readAddress` gives it; '' is in no range. */
  includes(address: string): boolean;
}

/** Whose word about a caller's address is taken. */
export interface TrustedProxies {
  /**
   * Every connection comes from the platform's front end, which appends the address that it saw to
   * `X-Forwarded-For`: so on Azure Functions and Container Apps, where the connection itself tells nothing.
   */
  readonly platform: boolean;
  /** Further proxies that append what they saw, such as Front Door before the platform. */
  readonly ranges: AddressRanges;
}

/** Brackets, an address of 45 characters, a zone, a port. */
const LONGEST = 80;

export const NO_PROXIES: TrustedProxies = { platform: false, ranges: { includes: () => false } };

/**
 * The address of whoever called the outermost proxy that is trusted; the connection's when that is none. Entries of
 * `X-Forwarded-For` are read from the right, as far as trusted proxies wrote them: what stands further left is the
 * caller's to invent. '' when it cannot be known.
 */
export function callerAddress(
  { address = '', headers }: Pick<RegistryRequest, 'address' | 'headers'>,
  { platform, ranges }: TrustedProxies,
): string {
  let caller = platform ? '' : readAddress(address);
  if (!platform && !ranges.includes(caller)) return caller;
  for (const hop of (headers.get('x-forwarded-for')?.split(',') ?? []).toReversed()) {
    caller = readAddress(hop);
    if (!ranges.includes(caller)) return caller;
  }
  return caller;
}

/**
 * An address in its one spelling: without port, brackets and zone, IPv6 compressed, IPv4 in IPv6 as IPv4. '' for
 * anything else.
 */
export function readAddress(text: string): string {
  const trimmed = text.trim();
  if (trimmed.length > LONGEST) return '';
  const parts = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+)(?::\d{1,5})?|([^[\]]+))$/.exec(trimmed);
  const [address = ''] = (parts?.[1] ?? parts?.[2] ?? parts?.[3] ?? '').split('%');
  const family = isIP(address);
  if (family !== 6) return family === 4 ? address : '';
  const spelled = new SocketAddress({ address, family: 'ipv6' }).address;
  return /^::ffff:([\d.]+)$/.exec(spelled)?.[1] ?? spelled;
}

/** The network that one caller has to himself: an IPv4 address, the /64 of an IPv6 one. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const gap = address.includes('::') ? Array.from({ length: 8 - left.length - right.length }, () => '0') : [];
  return [...left, ...gap, ...right].slice(0, 4).join(':');
}

/** Whether text is an address or a CIDR range. */
export function isRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

/** Compiles ranges. What is none holds nobody: rules that cannot be read must not let anybody in. */
export function addressRanges(texts: readonly string[]): AddressRanges {
  // A list for each family: one list of Node's for both would let `::/0` stand for IPv4 too.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of texts) {
    const range = parseRange(text);
    if (range) lists[range.family].addSubnet(range.address, range.bits, range.family);
  }
  return {
    includes(address) {
      if (address === '') return false;
      const family = address.includes(':') ? 'ipv6' : 'ipv4';
      return lists[family].check(address, family);
    },
  };
}

function parseRange(text: string) {
  const [, address = '', length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text.trim()) ?? [];
  const kind = isIP(address);
  if (kind === 0) return undefined;
  const most = kind === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  return bits <= most
    ? { address, bits, family: kind === 4 ? ('ipv4' as const) : ('ipv6' as const) }
    : undefined;
}

import type { Context } from './context.ts';

/** A UUID of version 7 (RFC 9562): its first 48 bits are the time in milliseconds, the rest is random. */
export function timedId(ctx: Pick<Context, 'now' | 'random'>): string {
  const bytes = Buffer.from(ctx.random(16));
  bytes.writeUIntBE(ctx.now(), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** When a timed id was made, in milliseconds since 1970; undefined for other texts. */
export function timeOfId(text: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(text);
  return match ? Number.parseInt(`${match[1]}${match[2]}`, 16) : undefined;
}

import type { RegistryDocument } from '../../model/access.ts';
import type { RegistryName } from '../../model/names.ts';
import type { Context } from '../../store/context.ts';
import { growthOf, unwritten } from './growth.ts';
import { type RegistryRows, readRegistryRows } from './rows.ts';

/** Bytes that a tier includes, and those that it can hold at most. */
export interface StorageLimits {
  readonly included: number;
  readonly cap: number;
}

/** What a registry stores. */
export interface RegistryUsage {
  /** Bytes of all content, each once. */
  readonly bytes: number;
  /** Blobs when that was measured; undefined when it never was. */
  readonly blobs?: number;
  /** When a collection last measured, in milliseconds since 1970. */
  readonly measured?: number;
}

const GIB = 1024 ** 3;
const TIB = 1024 ** 4;
/** ACR's (ACR wire section 7). */
const TIERS: Readonly<Record<RegistryDocument['sku'], StorageLimits>> = {
  Basic: { included: 10 * GIB, cap: 40 * TIB },
  Standard: { included: 100 * GIB, cap: 40 * TIB },
  Premium: { included: 500 * GIB, cap: 100 * TIB },
};

/** How old may be what an instance knows of the others' growth when it is asked whether there is room, in milliseconds. */
const USED_LIFE_MS = 60_000;

/** What a registry may store: by its tier, unless the deployment has a limit of its own. */
export function storageLimits(ctx: Context, sku: RegistryDocument['sku']): StorageLimits {
  const { included, cap } = TIERS[sku];
  return { included, cap: ctx.settings.storageCapBytes ?? cap };
}

/** What a registry stores now, as far as instances have written it down and this one knows. One call. */
export async function showUsage(ctx: Context, registry: RegistryName): Promise<RegistryUsage> {
  const rows = await readRegistryRows(ctx, registry);
  const { blobs, measured } = rows.measured;
  const bytes = usedOf(rows) + unwritten(growthOf(ctx, registry), measured);
  return { bytes, ...(measured > 0 && { blobs, measured }) };
}

/**
 * Whether the storage of a registry is used up. What other instances stored is known to the minute, and read without
 * keeping anybody waiting, so that the first question of an instance is answered with no. No call; one a minute, later.
 */
export function isFull(ctx: Context, registry: RegistryName, sku: RegistryDocument['sku']): boolean {
  const growth = growthOf(ctx, registry);
  if (!growth.reading && ctx.now() - growth.readAt >= USED_LIFE_MS) {
    growth.reading = true;
    ctx.defer(async () => await readUsed(ctx, registry));
  }
  return growth.used + unwritten(growth, growth.measured) >= storageLimits(ctx, sku).cap;
}

async function readUsed(ctx: Context, registry: RegistryName): Promise<void> {
  const growth = growthOf(ctx, registry);
  try {
    const rows = await readRegistryRows(ctx, registry);
    growth.used = usedOf(rows);
    growth.measured = rows.measured.measured;
    growth.readAt = ctx.now();
  } finally {
    growth.reading = false;
  }
}

function usedOf({ grown, measured }: RegistryRows): number {
  return measured.bytes + grown.bytes - measured.grown;
}

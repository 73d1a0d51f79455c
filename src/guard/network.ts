import type { RegistryDocument } from '../model/access.ts';
import { Problem } from '../model/problem.ts';
import { type AddressRanges, addressRanges } from './address.ts';

/** The settings' document is read anew every few seconds; its rules are compiled once each time. */
const compiled = new WeakMap<RegistryDocument, AddressRanges>();

/**
 * Lets an address in or not, by the registry's network rules. With public access off nobody is let in, whatever the
 * rules say (ACR features section 7, "Network"). Throws DENIED in ACR's words, which `az acr check-health` reads.
 */
export function admitAddress(document: RegistryDocument, address: string): void {
  const { publicNetworkAccess, networkRules } = document;
  if (publicNetworkAccess && (networkRules.allowByDefault || rangesOf(document).includes(address))) return;
  throw new Problem('DENIED', undefined, {
    message: `client with IP '${address}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.`,
  });
}

function rangesOf(document: RegistryDocument): AddressRanges {
  const known = compiled.get(document);
  if (known) return known;
  const ranges = addressRanges(document.networkRules.rules.map(({ value }) => value));
  compiled.set(document, ranges);
  return ranges;
}

import { expect, test } from 'vitest';
import { Filter, capacityOf } from '../../../src/lifecycle/collect/filter.ts';
import { noise } from '../../support/sample.ts';

const BYTES = 4096;

function filled(count: number, salt = noise(16)): Filter {
  const filter = new Filter(BYTES, salt);
  for (let i = 0; i < count; i++) filter.add(`in ${i}`);
  return filter;
}

function strangersIn(filter: Filter, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `out ${i}`).filter((one) => filter.has(one));
}

test('whatever is in use is found to be, however full the filter', () => {
  for (const count of [1, capacityOf(BYTES), capacityOf(BYTES) * 20]) {
    const filter = filled(count);
    const missed = Array.from({ length: count }, (_, i) => `in ${i}`).filter((one) => !filter.has(one));
    expect(missed).toEqual([]);
  }
});

test('an empty filter has nothing', () => {
  expect(strangersIn(filled(0), 10_000)).toEqual([]);
});

test('filled as far as planned, it spares less than one in 500 that nobody needs', () => {
  expect(strangersIn(filled(capacityOf(BYTES)), 20_000).length).toBeLessThan(40);
});

test('what is spared by chance in one run is not spared in the next', () => {
  const count = capacityOf(BYTES) * 4;
  const spared = strangersIn(filled(count), 1000);
  expect(spared.length).toBeGreaterThan(50);
  let left = spared;
  for (let run = 0; run < 12; run++) {
    const filter = filled(count);
    left = left.filter((one) => filter.has(one));
  }
  expect(left.length).toBeLessThan(spared.length / 20);
});

import { describe, expect, test } from 'vitest';
import {
  NO_PROXIES,
  type TrustedProxies,
  addressRanges,
  callerAddress,
  isRange,
  networkOf,
  readAddress,
} from '../../src/guard/address.ts';

describe('an address is read', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    [' 203.0.113.9 ', '203.0.113.9'],
    ['203.0.113.9:51234', '203.0.113.9'],
    ['[203.0.113.9]:51234', '203.0.113.9'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:cb00:7109', '203.0.113.9'],
    ['[::ffff:203.0.113.9]:443', '203.0.113.9'],
    ['::1', '::1'],
  ])('%s is %s', (text, address) => {
    expect(readAddress(text)).toBe(address);
  });

  test.each([
    '',
    ' ',
    'unknown',
    '_hidden',
    '203.0.113',
    '203.0.113.256',
    '203.0.113.09',
    '203.0.113.9:',
    '203.0.113.9:1234567',
    '203.0.113.9/24',
    '2001:db8::1::2',
    '[2001:db8::1',
    '2001:db8::1]',
    '[2001:db8::1]443',
    'localhost',
    '127.1',
    '0x7f.0.0.1',
    '203.0.113.9 10.0.0.1',
    `${' '.repeat(16_000)}x`,
    '1'.repeat(16_000),
  ])('%j is none', (text) => {
    expect(readAddress(text)).toBe('');
  });
});

describe('ranges', () => {
  test.each([
    [['203.0.113.0/24'], '203.0.113.255', true],
    [['203.0.113.0/24'], '203.0.114.0', false],
    [['203.0.113.77/24'], '203.0.113.1', true],
    [['203.0.113.9'], '203.0.113.9', true],
    [['203.0.113.9'], '203.0.113.10', false],
    [['203.0.113.9/32'], '203.0.113.8', false],
    [['0.0.0.0/0'], '198.51.100.1', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['::/0'], '2001:db8::1', true],
    [['::/0'], '198.51.100.1', false],
    [['2001:db8::/32'], '2001:db8:ffff::1', true],
    [['2001:db8::/32'], '2001:db9::', false],
    [['2001:db8::1'], '2001:db8::1', true],
    [['2001:db8::1/127'], '2001:db8::2', false],
    [['10.0.0.0/8', '2001:db8::/32'], '2001:db8::5', true],
    [['10.0.0.0/8', '2001:db8::/32'], '10.255.0.1', true],
    [[], '10.0.0.1', false],
    [['0.0.0.0/0', '::/0'], '', false],
    [['nonsense', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'fe80::1%lo/64'], '10.0.0.1', false],
  ])('%j with %s: %s', (ranges, address, included) => {
    expect(addressRanges(ranges).includes(address)).toBe(included);
  });

  test('an IPv4 caller who comes as IPv6 is in the ranges of IPv4', () => {
    expect(addressRanges(['203.0.113.0/24']).includes(readAddress('::ffff:203.0.113.9'))).toBe(true);
  });

  test.each([
    ['10.0.0.0/8', true],
    ['10.0.0.1', true],
    ['2001:db8::/129', false],
    ['10.0.0.0/33', false],
    ['10.0.0.0/-1', false],
    ['platform', false],
    ['', false],
  ])('%s is a range: %s', (text, valid) => {
    expect(isRange(text)).toBe(valid);
  });
});

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['2001:db8:1:2::', '2001:db8:1:2'],
  ['', ''],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

/** The caller of a request over a connection from `address` with this `X-Forwarded-For`. */
function from(address: string | undefined, forwarded: string | undefined, trusted: TrustedProxies): string {
  const headers = new Headers(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded });
  return callerAddress({ headers, ...(address !== undefined && { address }) }, trusted);
}

describe('the caller', () => {
  const proxies: TrustedProxies = {
    platform: false,
    ranges: addressRanges(['10.0.0.0/8', '2001:db8:f::/48']),
  };
  const platform: TrustedProxies = { platform: true, ranges: addressRanges(['192.0.2.0/24']) };

  test('is the connection where no proxy is trusted, whatever the header says', () => {
    expect(from('203.0.113.9', '198.51.100.1', NO_PROXIES)).toBe('203.0.113.9');
    expect(from('::ffff:203.0.113.9', undefined, NO_PROXIES)).toBe('203.0.113.9');
    expect(from(undefined, '198.51.100.1', NO_PROXIES)).toBe('');
  });

  test('is the connection where that is no trusted proxy', () => {
    expect(from('203.0.113.9', '198.51.100.1', proxies)).toBe('203.0.113.9');
    expect(from(undefined, '198.51.100.1', proxies)).toBe('');
    expect(from('', '198.51.100.1', proxies)).toBe('');
  });

  test('is what the trusted proxy saw, and not what the caller wrote left of it', () => {
    expect(from('10.1.1.1', '198.51.100.1', proxies)).toBe('198.51.100.1');
    expect(from('10.1.1.1', '127.0.0.1, 10.9.9.9, 198.51.100.1', proxies)).toBe('198.51.100.1');
    expect(from('10.1.1.1', '127.0.0.1,198.51.100.1:4711', proxies)).toBe('198.51.100.1');
  });

  test('is found behind several trusted proxies', () => {
    expect(from('10.1.1.1', '127.0.0.1, 198.51.100.1, 2001:db8:f::9, 10.2.2.2', proxies)).toBe(
      '198.51.100.1',
    );
    expect(from('2001:db8:f::1', '[2001:db8::7]:443, 10.2.2.2:80', proxies)).toBe('2001:db8::7');
  });

  test('is the farthest proxy where all are trusted', () => {
    expect(from('10.1.1.1', '10.3.3.3, 10.2.2.2', proxies)).toBe('10.3.3.3');
    expect(from('10.1.1.1', undefined, proxies)).toBe('10.1.1.1');
  });

  test('is unknown where a trusted proxy wrote what is no address', () => {
    expect(from('10.1.1.1', '198.51.100.1, unknown', proxies)).toBe('');
    expect(from('10.1.1.1', '198.51.100.1,', proxies)).toBe('');
    expect(from('10.1.1.1', '', proxies)).toBe('');
  });

  test('on the platform is the last entry of the header, and never the connection', () => {
    expect(from(undefined, '198.51.100.1:4711', platform)).toBe('198.51.100.1');
    expect(from('127.0.0.1', '127.0.0.1, 198.51.100.1', platform)).toBe('198.51.100.1');
    expect(from('127.0.0.1', undefined, platform)).toBe('');
  });

  test('on the platform behind a further proxy is what that proxy saw', () => {
    expect(from(undefined, '127.0.0.1, 198.51.100.1, 192.0.2.5:99', platform)).toBe('198.51.100.1');
  });

  test('is read from header lines that were joined', () => {
    const headers = new Headers();
    headers.append('x-forwarded-for', '127.0.0.1');
    headers.append('x-forwarded-for', '198.51.100.1');
    expect(callerAddress({ headers }, platform)).toBe('198.51.100.1');
  });
});

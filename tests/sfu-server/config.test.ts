// Flags and environment as they are meant by who runs a server: what an address stands for, and what is refused in words.
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { isOwnAddress, parseConfig } from '../../sfu-server/config.ts';
import { settingVariables } from '../../sfu-server/protocol/flags.ts';
import { serverEntries } from '../../sfu-server/vite.config.ts';

const parse = (...flags: string[]) => parseConfig(['--data', '/srv/show', ...flags], {});
const refused = (...flags: string[]): string => {
  try {
    parse(...flags);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('It was taken.');
};

describe('configuration', () => {
  it('takes a public address as host, as name or as origin', () => {
    expect(parse('--public-address', '203.0.113.7')).toMatchObject({
      announcedAddress: '203.0.113.7',
      publicHost: '203.0.113.7',
      publicOrigin: undefined,
      host: '0.0.0.0',
      rtcPort: 40_000,
    });
    expect(
      parse('--public-address', 'https://drop.example/', '--announced-address', '10.0.0.4'),
    ).toMatchObject({
      announcedAddress: '10.0.0.4',
      publicHost: 'drop.example',
      publicOrigin: 'https://drop.example',
    });
    const tunnel = parse('--public-address', 'drop.example', '--public-origin', 'https://t.example/');
    expect(tunnel).toMatchObject({ announcedAddress: 'drop.example', publicOrigin: 'https://t.example' });
  });

  it('stays on this machine when only loopback is announced', () => {
    for (const flag of ['--public-address', '--announced-address']) {
      expect(parse(flag, '127.0.0.1')).toMatchObject({ host: '127.0.0.1', announcedAddress: '127.0.0.1' });
    }
    expect(parse('--public-address', 'localhost')).toMatchObject({ announcedAddress: '127.0.0.1' });
    expect(parse('--public-address', '127.0.0.1', '--host', '0.0.0.0').host).toBe('0.0.0.0');
  });

  it('prefers a flag to the environment, and hides the studio key unless a parent asks for it', () => {
    const env = { LIVE_DROP_PORT: '5000', LIVE_DROP_READY_KEY: 'shown' };
    expect(parseConfig([], env)).toMatchObject({ port: 5000, readyKey: 'shown' });
    expect(parseConfig(['--port', '6000'], {})).toMatchObject({ port: 6000, readyKey: 'hidden' });
  });

  it('knows who speaks from this computer', () => {
    const own = Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).map(({ address }) => address),
    );
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', ...own])
      expect(isOwnAddress(address)).toBe(true);
    for (const address of ['203.0.113.9', '2001:db8::9']) expect(isOwnAddress(address)).toBe(false);
  });

  it('is told by the systemd unit only what it knows, from a file that the build makes, and is always restarted', () => {
    const unit = readFileSync(
      new URL('../../assets/systemd/live-drop-studio.service', import.meta.url),
      'utf8',
    );
    const told = [...unit.matchAll(/^Environment=(LIVE_DROP_\w+|MEDIASOUP_\w+)=(.*)$/gm)];
    expect(told.length).toBeGreaterThan(4);
    const known: readonly string[] = Object.values(settingVariables);
    expect(told.map(([, name = '']) => name).filter((name) => !known.includes(name))).toEqual([]);
    const env = Object.fromEntries(told.map(([, name = '', value = '']) => [name, value]));
    expect(parseConfig([], env)).toMatchObject({ port: 443, publicHost: 'drop.example' });
    expect(Object.keys(serverEntries)).toContain('server');
    expect(unit).toMatch(/^ExecStart=\S+ \/opt\/live-drop-studio\/dist\/server\.mjs$/m);
    expect(unit).toMatch(/^Restart=always$/m);
  });

  it('says which setting is wrong and what it expects', () => {
    expect(refused('--public-address', 'drop.example:443')).toMatch(/--public-address .* an origin/);
    expect(refused('--public-address', 'ftp://drop.example')).toMatch(/--public-address/);
    expect(refused('--public-address', 'https://drop.example/studio')).toMatch(/--public-address/);
    expect(refused('--port', 'eleven')).toMatch(/The setting --port is not valid/);
    expect(refused('--spares', '-1')).toMatch(/--spares/);
    expect(refused('--colour', 'red')).toMatch(/Known flags: .*--public-address/);
    expect(refused('--tls-cert', 'x.pem')).toMatch(/both --tls-cert and --tls-key/);
  });
});

// Which of the cameras that are plugged in is which source, when several may be the same model: by their own id first, then
// by label and group where only one answer is possible. Where there are more, the director is asked. Pure.
// Not its job: listing or opening cameras (ui/devices.ts), or the asking (remap.tsx).
import type { SourceId } from '../../sfu-server/protocol/production.ts';
import type { DeviceIdentity } from '../ui/devices.ts';

export type WantedCamera = { readonly sourceId: SourceId; readonly identity: DeviceIdentity };

/** Sources that have lost their camera, and the cameras they might be. */
export type UnclearCameras = {
  readonly sourceIds: readonly SourceId[];
  readonly candidates: readonly DeviceIdentity[];
};

export type CameraMatch = {
  readonly found: ReadonlyMap<SourceId, DeviceIdentity>;
  readonly unclear: readonly UnclearCameras[];
};

/** Two sources may be the same camera only where both name its very id: the director chose it twice. */
export function matchCameras(
  wanted: readonly WantedCamera[],
  present: readonly DeviceIdentity[],
): CameraMatch {
  const found = new Map<SourceId, DeviceIdentity>();
  const taken = new Set<DeviceIdentity>();
  for (const { sourceId, identity } of wanted) {
    const same = present.find(
      ({ deviceId, label }) => deviceId === identity.deviceId && label === identity.label,
    );
    if (same === undefined) continue;
    found.set(sourceId, same);
    taken.add(same);
  }

  const unclear: UnclearCameras[] = [];
  const missing = wanted.filter(({ sourceId }) => !found.has(sourceId));
  for (const label of new Set(missing.map(({ identity }) => identity.label))) {
    const free = present.filter((device) => device.label === label && !taken.has(device));
    if (label === '' || free.length === 0) continue;
    const roles = missing.filter(({ identity }) => identity.label === label);
    const [role, otherRole] = roles;
    const [device, otherDevice] = free;
    const sameGroup = role?.identity.groupId === device?.groupId;
    if (role && device && !otherRole && !otherDevice && sameGroup) found.set(role.sourceId, device);
    else unclear.push({ sourceIds: roles.map(({ sourceId }) => sourceId), candidates: free });
  }
  return { found, unclear };
}

/** Each unclear source with the candidate of the same place in the list: what the question begins with. */
export const guessByOrder = ({ sourceIds, candidates }: UnclearCameras): Map<SourceId, DeviceIdentity> =>
  new Map(
    sourceIds.flatMap((sourceId, index): [SourceId, DeviceIdentity][] => {
      const candidate = candidates[index];
      return candidate ? [[sourceId, candidate]] : [];
    }),
  );

// Which panels the page has and where each lives, and which sheets: one line each, panels in the order of their tabs. Each
// brings its own file and css.
import { ChatPanel, ChatTabCount } from './chat-panel.tsx';
import { ConnectionPanel } from './connection-panel.tsx';
import { DropPanel } from './drop.tsx';
import type { PanelEntry, SheetEntry } from './frame.tsx';
import { HealthPanel } from './health-panel.tsx';
import { KeyList } from './key-list.tsx';
import { LogPanel } from './log-panel.tsx';
import { MixerPanel } from './mixer-panel.tsx';
import { OverlaysPanel } from './overlays-panel.tsx';
import { PeoplePanel } from './people.tsx';
import { PreflightSheet } from './preflight-sheet.tsx';
import { RecordingPanel, RecordingSheet } from './recording-panel.tsx';
import { ScenePanel } from './scene-panel.tsx';
import { SourcesPanel } from './sources.tsx';
import { ClipSheet, StandbyPanel } from './standby-panel.tsx';

export const panels: readonly PanelEntry[] = [
  { id: 'sources', slot: 'dockLeft', title: 'Sources', Panel: SourcesPanel },
  { id: 'scene', slot: 'dockLeft', title: 'Scene', Panel: ScenePanel },
  { id: 'overlays', slot: 'dockLeft', title: 'Overlays', Panel: OverlaysPanel },
  { id: 'standby', slot: 'dockLeft', title: 'Standby', Panel: StandbyPanel },
  { id: 'recording', slot: 'dockLeft', title: 'Recording', Panel: RecordingPanel },
  { id: 'mixer', slot: 'dockRight', title: 'Mixer', Panel: MixerPanel },
  { id: 'health', slot: 'dockRight', title: 'Health', Panel: HealthPanel },
  { id: 'log', slot: 'dockRight', title: 'Log', Panel: LogPanel },
  { id: 'connection', slot: 'dockRight', title: 'Connection', Panel: ConnectionPanel },
  { id: 'shop', slot: 'sideTop', title: 'Shop', Panel: DropPanel },
  { id: 'chat', slot: 'sideBottom', title: 'Chat', Panel: ChatPanel, TabCount: ChatTabCount },
  { id: 'people', slot: 'sideBottom', title: 'People', Panel: PeoplePanel },
];

/** Opened by `layout.toggleSheet(id)`. */
export const sheets: readonly SheetEntry[] = [
  { id: 'keys', Content: KeyList },
  { id: 'clips', Content: ClipSheet },
  { id: 'recordings', Content: RecordingSheet },
  { id: 'preflight', Content: PreflightSheet },
];

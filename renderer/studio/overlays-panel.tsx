// The words, the look and the files of what lies over the picture, and the message that is pinned to it.
// Not its job: turning overlays on and off (stage.tsx, by the pictures), what follows from an edit (overlay-desk.ts).
import { useState } from 'react';
import { useStore } from 'zustand';
import {
  brandFonts,
  corners,
  maxPinnedText,
  qrStyles,
  type Brand,
  type Corner,
  type OverlaySettings,
} from '../../sfu-server/protocol/overlays.ts';
import { Button, Field, Select } from '../ui/controls.tsx';
import { FileChoice } from './file-choice.tsx';
import { useDesk, useProduction, useStudio } from './hooks.ts';
import { keyHint } from './key-map.ts';
import { NumberField } from './number-field.tsx';
import type { FileState } from './overlay-files.ts';
import { tickerOf } from './overlays.ts';
import './overlays-panel.css';

export const OverlaysPanel = () => (
  <section className="panel overlays-panel" aria-labelledby="overlays-head">
    <div className="panel-head">
      <h2 id="overlays-head">Overlays</h2>
      <span className="hint">Words that are on change with Enter</span>
    </div>
    <TitleWords />
    <LowerThirdWords />
    <TickerWords />
    <PinnedWords />
    <CardLook />
    <LogoLook />
    <BrandLook />
    <StingerClip />
  </section>
);

const useOverlays = () => useProduction(({ production }) => production.overlays);

/** One step of undo; in the same `gesture`, one for all of them. */
const useEdit = () => {
  const studio = useStudio();
  return (change: Partial<OverlaySettings>, gesture?: string) =>
    studio.production.edit({ kind: 'setOverlays', change }, gesture);
};

/** One line, kept with Enter or by leaving it. While it is typed nothing else changes it. */
const Words = (props: {
  label: string;
  placeholder: string;
  value: string;
  most: number;
  onDone: (value: string) => void;
}) => {
  const { label, placeholder, value, most, onDone } = props;
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <Field
      label={label}
      labelHidden
      placeholder={placeholder}
      maxLength={most}
      value={typed ?? value}
      onChange={setTyped}
      onDone={() => {
        if (typed !== null && typed !== value) onDone(typed);
        setTyped(null);
      }}
    />
  );
};

const TitleWords = () => {
  const { title } = useOverlays();
  const edit = useEdit();
  return (
    <div className="overlay-words" role="group" aria-label="Title">
      <span className="overlay-name">Title</span>
      <Words
        label="Title, headline"
        placeholder="Headline"
        value={title.text}
        most={80}
        onDone={(text) => edit({ title: { ...title, text } })}
      />
      <Words
        label="Title, second line"
        placeholder="Second line"
        value={title.note}
        most={80}
        onDone={(note) => edit({ title: { ...title, note } })}
      />
    </div>
  );
};

const LowerThirdWords = () => {
  const { lowerThird } = useOverlays();
  const edit = useEdit();
  return (
    <div className="overlay-words" role="group" aria-label="Lower third">
      <span className="overlay-name">Lower third</span>
      <Words
        label="Lower third, name"
        placeholder="Name"
        value={lowerThird.title}
        most={60}
        onDone={(title) => edit({ lowerThird: { ...lowerThird, title } })}
      />
      <Words
        label="Lower third, second line"
        placeholder="Second line"
        value={lowerThird.subtitle}
        most={80}
        onDone={(subtitle) => edit({ lowerThird: { ...lowerThird, subtitle } })}
      />
    </div>
  );
};

const TickerWords = () => {
  const kept = useOverlays().ticker.lines.join('\n');
  const edit = useEdit();
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <div className="overlay-words" role="group" aria-label="Ticker">
      <span className="overlay-name">Ticker</span>
      <textarea
        className="input area overlay-wide"
        aria-label="Ticker, one line each"
        placeholder="One message a line"
        rows={2}
        value={typed ?? kept}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={() => {
          const ticker = tickerOf(typed ?? kept);
          if (ticker.lines.join('\n') !== kept) edit({ ticker });
          setTyped(null);
        }}
      />
    </div>
  );
};

const PinnedWords = () => {
  const studio = useStudio();
  const draft = useStore(studio.overlays.store, (state) => state.draft);
  const pinned = useDesk(({ scene }) => scene.pinned);
  return (
    <div className="overlay-words" role="group" aria-label="Pinned message">
      <span className="overlay-name">Message</span>
      <Field
        label="Message, whose words"
        labelHidden
        placeholder="Who says it"
        maxLength={40}
        value={draft.name}
        onChange={(name) => studio.overlays.type({ ...draft, name })}
      />
      <Field
        label="Message to pin"
        labelHidden
        placeholder="What they say"
        maxLength={maxPinnedText}
        value={draft.text}
        onChange={(text) => studio.overlays.type({ ...draft, text })}
      />
      <div className="button-row overlay-wide">
        <Button
          disabled={draft.text.trim() === ''}
          {...(pinned === null && { keyHint: keyHint('pin') })}
          onPress={() => studio.overlays.pin()}
        >
          {pinned === null ? 'Pin to the picture' : 'Pin in its place'}
        </Button>
        {pinned && (
          <>
            <Button keyHint={keyHint('pin')} onPress={() => studio.overlays.unpin()}>
              Unpin
            </Button>
          </>
        )}
      </div>
      {pinned && (
        <p className="overlay-wide overlay-pinned hint" title={pinned.text}>
          On the picture: “{pinned.text}”
        </p>
      )}
    </div>
  );
};

// --- Look ------------------------------------------------------------------------------------------------------------

const cornerWords: Readonly<Record<Corner, string>> = {
  topLeft: 'Top left',
  topRight: 'Top right',
  bottomLeft: 'Bottom left',
  bottomRight: 'Bottom right',
};

const CornerChoice = (props: { label: string; value: Corner; onChange: (corner: Corner) => void }) => (
  <Select
    label={props.label}
    labelHidden
    value={props.value}
    choices={corners.map((value) => ({ value, text: cornerWords[value] }))}
    onChange={(value) => {
      const corner = corners.find((each) => each === value);
      if (corner) props.onChange(corner);
    }}
  />
);

const styleWords = { card: 'Card: words below', strip: 'Strip: words beside', code: 'Code alone' } as const;

const CardLook = () => {
  const { qrCard } = useOverlays();
  const edit = useEdit();
  return (
    <div className="overlay-words" role="group" aria-label="QR code">
      <span className="overlay-name">QR code</span>
      <Select
        label="QR code, style"
        labelHidden
        value={qrCard.style}
        choices={qrStyles.map((value) => ({ value, text: styleWords[value] }))}
        onChange={(value) => {
          const style = qrStyles.find((each) => each === value);
          if (style) edit({ qrCard: { ...qrCard, style } });
        }}
      />
      <CornerChoice
        label="QR code, corner"
        value={qrCard.corner}
        onChange={(corner) => edit({ qrCard: { ...qrCard, corner } })}
      />
    </div>
  );
};

/** What the director has to know of a file; null: it is there. */
const fileWords = (state: FileState): string | null => {
  switch (state.kind) {
    case 'none':
    case 'ready':
      return null;
    case 'opening':
      return 'Opening';
    case 'missing':
      return 'Not on this computer: choose it again.';
    case 'failed':
      return state.sentence;
  }
};

const LogoLook = () => {
  const { logo } = useOverlays();
  const studio = useStudio();
  const edit = useEdit();
  const words = useStore(studio.overlayFiles.store, (state) => fileWords(state.logo));
  return (
    <div className="overlay-words" role="group" aria-label="Logo">
      <span className="overlay-name">Logo</span>
      <FileChoice
        label="Logo"
        accept="image/png,image/webp,image/jpeg"
        fileName={logo.fileName}
        onFile={(fileId, fileName) => edit({ logo: { ...logo, fileId, fileName } })}
      />
      <CornerChoice
        label="Logo, corner"
        value={logo.corner}
        onChange={(corner) => edit({ logo: { ...logo, corner } })}
      />
      {words !== null && <p className="overlay-wide hint">{words}</p>}
    </div>
  );
};

const colourWords: readonly { name: 'accent' | 'panel' | 'text'; words: string }[] = [
  { name: 'accent', words: 'Accent' },
  { name: 'panel', words: 'Panel' },
  { name: 'text', words: 'Text' },
];
const fontWords: Readonly<Record<Brand['font'], string>> = {
  system: 'System',
  sans: 'Sans',
  serif: 'Serif',
  condensed: 'Condensed',
  rounded: 'Rounded',
  mono: 'Mono',
};

const BrandLook = () => {
  const { brand } = useOverlays();
  const edit = useEdit();
  return (
    <div className="overlay-words" role="group" aria-label="Brand">
      <span className="overlay-name">Brand</span>
      <div className="brand-colours">
        {colourWords.map(({ name, words }) => (
          <label key={name} className="brand-colour">
            <input
              type="color"
              value={brand[name]}
              onChange={(event) =>
                edit({ brand: { ...brand, [name]: event.target.value.toLowerCase() } }, `brand ${name}`)
              }
            />
            {words}
          </label>
        ))}
      </div>
      <Select
        label="Font of the overlays"
        labelHidden
        value={brand.font}
        choices={brandFonts.map((value) => ({ value, text: fontWords[value] }))}
        onChange={(value) => {
          const font = brandFonts.find((each) => each === value);
          if (font) edit({ brand: { ...brand, font } });
        }}
      />
    </div>
  );
};

const longestStingerMs = 4_000;
/** Where most stingers cover the whole picture. */
const defaultCutMs = 500;

/** A clip with alpha that covers a take, and when the scene changes under it. */
const StingerClip = () => {
  const studio = useStudio();
  const transition = useProduction(({ production }) => production.transition);
  const clip = useStore(studio.overlayFiles.store, (state) => state.stinger);
  const { stinger } = transition;
  const set = (next: NonNullable<typeof stinger>) =>
    studio.production.edit(
      { kind: 'setTransition', transition: { ...transition, stinger: next } },
      'stinger',
    );
  const words = fileWords(clip);
  return (
    <div className="overlay-words" role="group" aria-label="Stinger">
      <span className="overlay-name">Stinger</span>
      <FileChoice
        label="Stinger"
        accept="video/webm,video/quicktime,.webm,.mov"
        fileName={stinger?.fileName ?? ''}
        onFile={(fileId, fileName) => set({ fileId, fileName, cutAtMs: stinger?.cutAtMs ?? defaultCutMs })}
      />
      {stinger ? (
        <NumberField
          label="Scene changes at, ms"
          unit="ms"
          value={stinger.cutAtMs}
          step={50}
          least={0}
          most={(clip.kind === 'ready' ? clip.lengthMs : null) ?? longestStingerMs}
          onChange={(cutAtMs) => set({ ...stinger, cutAtMs: Math.round(cutAtMs) })}
        />
      ) : (
        <span className="hint">WebM with alpha, 4 s at most</span>
      )}
      {words !== null && <p className="overlay-wide hint">{words}</p>}
    </div>
  );
};

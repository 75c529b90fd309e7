// How the shop works: test or real money, ways to pay, pickup and shipping, links for the crew. Keys of payment services are typed in
// provider-keys.tsx (desktop app) or set at the server, and never shown here.
import { useCallback, useEffect, useState, type SyntheticEvent } from 'react';
import type { ShowParamsInput, ShowResult } from '../../sfu-server/protocol/messages.ts';
import type { CrewMember, ShopSettings } from '../../sfu-server/protocol/shop.ts';
import { Button, CopyLink, Field, Select, TwiceButton } from '../ui/controls.tsx';
import { moneyForField, parseMoney } from '../ui/format.ts';
import { QrCode } from '../ui/picture.tsx';
import { useShopDesk, useShow, useStudio } from './hooks.ts';
import { InviteForm } from './invite-form.tsx';
import { Keys } from './provider-keys.tsx';
import { currencies } from './product-form.tsx';
import type { Answer } from './shop-desk.ts';

export const ShopSetup = () => {
  const settings = useShow((show) => show?.shop ?? null);
  if (!settings) return null;
  return (
    <>
      <Money settings={settings} />
      <Terms key={settings.currency} settings={settings} />
      <Delivery currency={settings.currency} />
      <CrewLinks />
    </>
  );
};

type PaymentSetup = ShowResult<'paymentSetup'>;
const stripeWords: Record<PaymentSetup['stripe'], string> = {
  absent: 'Card payments: no Stripe key is set at the server.',
  testKey: 'Card payments: a Stripe test key is set; no real money moves.',
  liveKey: 'Card payments: the Stripe key is set.',
};

/** Real money needs a second press: what it starts cannot be taken back. */
const Money = ({ settings }: { settings: ShopSettings }) => {
  const { shop } = useStudio();
  const [setup, setSetup] = useState<PaymentSetup | null>(null);
  const [armed, setArmed] = useState(false);
  const look = useCallback(() => {
    void shop.ask('paymentSetup', {}).then((answer) => setSetup(answer.ok ? answer.result : null));
  }, [shop]);
  useEffect(look, [look]);
  const real = settings.money === 'real';
  const set = (money: ShopSettings['money']) => {
    if (money === 'real' && !armed) return setArmed(true);
    setArmed(false);
    void shop.press('saveShopSettings', { settings: { ...settings, money } });
  };
  return (
    <section className="setup-part">
      <h3>Money</h3>
      <p className="hint" role="status">
        {real ? 'Real money: buyers are charged.' : 'Test: nothing is charged, and every page says so.'}
      </p>
      <div className="button-row">
        <Button pressed={!real} onPress={() => set('test')}>
          Test
        </Button>
        <Button pressed={real} kind={armed ? 'look' : 'plain'} onPress={() => set('real')}>
          {armed ? 'Press again: charge buyers' : 'Real money'}
        </Button>
      </div>
      {setup && (
        <ul className="hint">
          <li>At the table: the crew confirms cash or card reader.</li>
          <li>{stripeWords[setup.stripe]}</li>
          {setup.stripe !== 'absent' && (
            <li>
              {setup.webhook
                ? 'Callbacks are believed by signature.'
                : 'Outcomes are asked for; no callbacks needed.'}
            </li>
          )}
          <li>
            {setup.mail
              ? 'Receipts go out by mail.'
              : 'Receipts: shown and saved on the page; no mail server is set.'}
          </li>
        </ul>
      )}
      <Keys onChanged={look} />
    </section>
  );
};

const holdMinutes = [1, 2, 3, 5, 10, 15].map((minutes) => ({
  value: String(minutes * 60_000),
  text: `${minutes} min`,
}));

const Terms = ({ settings }: { settings: ShopSettings }) => {
  const { shop } = useStudio();
  const [currency, setCurrency] = useState(settings.currency);
  const [seller, setSeller] = useState(settings.seller);
  const [vatNote, setVatNote] = useState(settings.vatNote);
  const [holdMs, setHoldMs] = useState(String(settings.holdMs));
  const [said, setSaid] = useState<string | null>(null);
  const choices = holdMinutes.some(({ value }) => value === holdMs)
    ? holdMinutes
    : [{ value: holdMs, text: `${Math.round(Number(holdMs) / 1000)} s` }, ...holdMinutes];
  const save = async (event: SyntheticEvent) => {
    event.preventDefault();
    const answer = await shop.ask('saveShopSettings', {
      settings: {
        ...settings,
        currency,
        seller: seller.trim(),
        vatNote: vatNote.trim(),
        holdMs: Number(holdMs),
      },
    });
    setSaid(answer.ok ? 'Saved.' : answer.text);
  };
  return (
    <form className="setup-part" onSubmit={(event) => void save(event)}>
      <h3>Terms</h3>
      <div className="form-row form-pair">
        <Select label="Currency" value={currency} choices={currencies} onChange={setCurrency} />
        <Select label="A hold lasts" value={holdMs} choices={choices} onChange={setHoldMs} />
      </div>
      <Field
        label="VAT note"
        value={vatNote}
        onChange={setVatNote}
        maxLength={120}
        placeholder="incl. 19 % VAT"
      />
      <Field
        label="Who sells: name, address, contact"
        value={seller}
        onChange={setSeller}
        maxLength={500}
        placeholder="on every receipt"
      />
      <div className="button-row">
        <button type="submit" className="button">
          Save terms
        </button>
        {said !== null && (
          <p className="hint" role="status">
            {said}
          </p>
        )}
      </div>
    </form>
  );
};

type Setup = ShowParamsInput<'saveDeliverySetup'>;
type WindowDraft = Setup['windows'][number];
type LaneDraft = Setup['lanes'][number];

const localTime = (ms: number): string =>
  new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
const hourMs = 3_600_000;

const drafts = ({ windows }: ShowResult<'deliverySetup'>): WindowDraft[] =>
  windows.map(({ taken: _taken, ...one }) => one);

const Delivery = ({ currency }: { currency: string }) => {
  const { shop } = useStudio();
  const [windows, setWindows] = useState<readonly WindowDraft[]>([]);
  const [lanes, setLanes] = useState<readonly LaneDraft[]>([]);
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    const take = (answer: Answer<ShowResult<'deliverySetup'>>) => {
      if (!answer.ok) return setSaid(answer.text);
      setWindows(drafts(answer.result));
      setLanes(answer.result.lanes);
    };
    void shop.ask('deliverySetup', {}).then(take);
  }, [shop]);
  const setWindow = (at: number, change: Partial<WindowDraft>) =>
    setWindows(windows.map((one, index) => (index === at ? { ...one, ...change } : one)));
  const setLane = (at: number, change: Partial<LaneDraft>) =>
    setLanes(lanes.map((one, index) => (index === at ? { ...one, ...change } : one)));
  const save = async () => {
    const answer = await shop.ask('saveDeliverySetup', { windows: [...windows], lanes: [...lanes] });
    setSaid(answer.ok ? 'Saved.' : answer.text);
    if (!answer.ok) return;
    setWindows(drafts(answer.result));
    setLanes(answer.result.lanes);
  };
  const addWindow = () => {
    const startsMs = Math.ceil(Date.now() / hourMs) * hourMs;
    setWindows([
      ...windows,
      { id: null, place: 'At the table', startsMs, endsMs: startsMs + hourMs, capacity: null },
    ]);
  };
  return (
    <section className="setup-part">
      <h3>Pickup</h3>
      {windows.length === 0 && (
        <p className="hint">At the table, any time. Add windows to spread people out.</p>
      )}
      {windows.map((one, at) => (
        <div key={one.id ?? at} className="form-variant">
          <Field
            label="Where"
            value={one.place}
            maxLength={80}
            onChange={(place) => setWindow(at, { place })}
          />
          <div className="form-row form-pair">
            {(['startsMs', 'endsMs'] as const).map((end) => (
              <label key={end} className="field">
                <span className="field-label">{end === 'startsMs' ? 'From' : 'To'}</span>
                <input
                  type="datetime-local"
                  className="input"
                  value={localTime(one[end])}
                  onChange={(event) => {
                    const ms = new Date(event.target.value).getTime();
                    if (Number.isFinite(ms)) setWindow(at, { [end]: ms });
                  }}
                />
              </label>
            ))}
          </div>
          <Button
            kind="quiet"
            label={`Remove pickup ${one.place}`}
            onPress={() => setWindows(windows.filter((_, index) => index !== at))}
          >
            Remove
          </Button>
        </div>
      ))}
      <Button onPress={addWindow}>Add a pickup window</Button>
      <h3>Shipping</h3>
      {lanes.map((one, at) => (
        <LaneFields
          key={one.id ?? at}
          lane={one}
          currency={currency}
          onChange={(change) => setLane(at, change)}
          onRemove={() => setLanes(lanes.filter((_, index) => index !== at))}
        />
      ))}
      <Button
        onPress={() =>
          setLanes([
            ...lanes,
            {
              id: null,
              name: 'Post',
              countries: [],
              priceMinor: 0,
              freeFromMinor: null,
              estimate: '2-3 days',
            },
          ])
        }
      >
        Add a shipping lane
      </Button>
      <div className="button-row">
        <Button kind="action" onPress={() => void save()}>
          Save pickup and shipping
        </Button>
        {said !== null && (
          <p className="hint" role="status">
            {said}
          </p>
        )}
      </div>
    </section>
  );
};

const LaneFields = (props: {
  lane: LaneDraft;
  currency: string;
  onChange: (change: Partial<LaneDraft>) => void;
  onRemove: () => void;
}) => {
  const { lane, currency, onChange, onRemove } = props;
  const [price, setPrice] = useState(moneyForField(lane.priceMinor, currency));
  const [countries, setCountries] = useState(lane.countries.join(' '));
  return (
    <div className="form-variant">
      <div className="form-row form-pair">
        <Field label="Lane" value={lane.name} maxLength={60} onChange={(name) => onChange({ name })} />
        <Field
          label={`Price, ${currency}`}
          value={price}
          inputMode="decimal"
          invalid={parseMoney(price, currency) === null}
          onChange={(text) => {
            setPrice(text);
            const priceMinor = parseMoney(text, currency);
            if (priceMinor !== null) onChange({ priceMinor });
          }}
        />
      </div>
      <div className="form-row form-pair">
        <Field
          label="How long"
          value={lane.estimate}
          maxLength={60}
          onChange={(estimate) => onChange({ estimate })}
        />
        <Field
          label="Countries"
          value={countries}
          placeholder="all; or DE AT"
          onChange={(text) => {
            setCountries(text);
            onChange({
              countries: text
                .toUpperCase()
                .split(/[^A-Z]+/)
                .filter((code) => code.length === 2),
            });
          }}
        />
      </div>
      <Button kind="quiet" label={`Remove lane ${lane.name}`} onPress={onRemove}>
        Remove
      </Button>
    </div>
  );
};

const noCrew: readonly CrewMember[] = [];

const CrewLinks = () => {
  const { shop } = useStudio();
  const crew = useShow((show) => show?.crew ?? noCrew);
  return (
    <section className="setup-part">
      <h3>Crew phones</h3>
      <p className="hint">A personal link: start drops, take money at the table, hand out orders.</p>
      <ul className="catalogue">
        {crew.map((member) => (
          <CrewRow key={member.id} member={member} />
        ))}
      </ul>
      <InviteForm
        label="Crew member’s name"
        emptyText="Write who the phone belongs to first."
        buttonText="Make a link"
        onInvite={(name) => shop.inviteCrew(name)}
      />
    </section>
  );
};

const CrewRow = ({ member }: { member: CrewMember }) => {
  const { shop } = useStudio();
  const link = useShopDesk((desk) => desk.crewLinks[member.id] ?? null);
  const [codeShown, setCodeShown] = useState(false);
  return (
    <li>
      <p className="drop-title">
        {member.name} <span className="hint">{member.presence === 'here' ? 'here' : 'away'}</span>
      </p>
      {link !== null && (
        <CopyLink label={`crew link of ${member.name}`} url={link}>
          <Button pressed={codeShown} onPress={() => setCodeShown(!codeShown)}>
            Code
          </Button>
        </CopyLink>
      )}
      {link !== null && codeShown && (
        <div className="viewer-code">
          <QrCode label={`QR code of the crew link of ${member.name}`} text={link} />
        </div>
      )}
      <div className="button-row">
        <Button
          kind="quiet"
          label={`New link for ${member.name}`}
          onPress={() => void shop.renewCrewLink(member.id)}
        >
          New link
        </Button>
        <TwiceButton
          label={`Withdraw the link of ${member.name}`}
          onPress={() => void shop.press('revokeCrew', { crewId: member.id })}
        >
          Withdraw
        </TwiceButton>
      </div>
    </li>
  );
};

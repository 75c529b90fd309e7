// Keys of payment and mail services, in the desktop app only: typed once, kept by the system's safe storage, never shown again.
// Elsewhere they come from the server's environment (docs/payments.md) and there is nothing to type.
import { useEffect, useState, type SyntheticEvent } from 'react';
import type { DesktopApi, DesktopParams, DesktopResult } from '../../electron/desktop-api.ts';
import { Field, TwiceButton } from '../ui/controls.tsx';

type KeyName = keyof DesktopParams<'setKeys'>;

const keyFields: readonly { name: KeyName; label: string; placeholder: string }[] = [
  { name: 'stripeKey', label: 'Stripe secret key', placeholder: 'sk_live_… or sk_test_…' },
  {
    name: 'stripeWebhookSecret',
    label: 'Stripe callback secret',
    placeholder: 'whsec_…, if you use callbacks',
  },
  { name: 'smtpUrl', label: 'Mail server', placeholder: 'smtps://name:password@mail.example' },
  { name: 'mailFrom', label: 'Mail comes from', placeholder: 'Night Market <hello@night.example>' },
];

export const Keys = ({ onChanged }: { onChanged: () => void }) => {
  const { desktop } = window;
  const [set, setSet] = useState<DesktopResult<'keysSet'> | null>(null);
  useEffect(() => {
    desktop?.keysSet().then(setSet, () => {}); // Without an answer there is nothing to offer.
  }, [desktop]);
  if (!desktop || !set) return null;
  if (!set.safe) {
    return (
      <p className="hint">
        This system has no safe storage for keys. Unlock its keyring, or give the keys to the server by its
        environment.
      </p>
    );
  }
  const changed = async () => {
    setSet(await desktop.keysSet());
    onChanged();
  };
  return (
    <section className="setup-part">
      <h3>Keys</h3>
      <p className="hint">Kept by this computer’s safe storage. They are never shown again.</p>
      {keyFields.map((field) => (
        <KeyField
          key={field.name}
          {...field}
          isSet={set.names.includes(field.name)}
          desktop={desktop}
          onChanged={changed}
        />
      ))}
    </section>
  );
};

const KeyField = (props: {
  name: KeyName;
  label: string;
  placeholder: string;
  isSet: boolean;
  desktop: DesktopApi;
  onChanged: () => Promise<void>;
}) => {
  const { name, label, placeholder, isSet, desktop } = props;
  const [typed, setTyped] = useState('');
  const [wrong, setWrong] = useState<string | null>(null);
  const change = async (value: string | null) => {
    try {
      await desktop.setKeys({ [name]: value });
      setTyped('');
      setWrong(null);
      await props.onChanged();
    } catch (error) {
      // The shell's rejections are sentences for the director.
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  const save = (event: SyntheticEvent) => {
    event.preventDefault();
    if (typed.trim() !== '') void change(typed.trim());
  };
  return (
    <form className="form-row key-row" onSubmit={save}>
      <Field
        label={`${label}: ${isSet ? 'set' : 'not set'}`}
        value={typed}
        onChange={setTyped}
        placeholder={isSet ? 'type a new one to replace it' : placeholder}
        maxLength={300}
        secret
        invalid={wrong !== null}
      />
      <button type="submit" className="button" disabled={typed.trim() === ''}>
        Save
      </button>
      {isSet && (
        <TwiceButton label={`Forget: ${label}`} onPress={() => void change(null)}>
          Forget
        </TwiceButton>
      )}
      {wrong !== null && (
        <p className="form-wrong" role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
};

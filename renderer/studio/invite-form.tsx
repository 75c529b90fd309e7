// A name and a button: how the director asks someone in, a guest or a member of the crew.
// Not its job: what an invitation is, or showing the link that comes of it.
import { useState, type SyntheticEvent } from 'react';
import { Field } from '../ui/controls.tsx';
import './invite-form.css';

/** Keeps what was typed until it has been taken; what is wrong is said below it. */
export const InviteForm = ({
  label,
  emptyText,
  buttonText,
  onInvite,
}: {
  label: string;
  /** Said when there is no name. */
  emptyText: string;
  buttonText: string;
  onInvite: (name: string) => Promise<{ ok: true } | { ok: false; text: string }>;
}) => {
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState<string | null>(null);
  const invite = async (event: SyntheticEvent) => {
    event.preventDefault();
    if (name.trim() === '') return setWrong(emptyText);
    const answer = await onInvite(name.trim());
    setWrong(answer.ok ? null : answer.text);
    if (answer.ok) setName('');
  };
  return (
    <form className="invite" onSubmit={(event) => void invite(event)}>
      <Field label={label} labelHidden placeholder={label} maxLength={40} value={name} onChange={setName} />
      <button type="submit" className="button">
        {buttonText}
      </button>
      {wrong !== null && (
        <p className="form-wrong" role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
};

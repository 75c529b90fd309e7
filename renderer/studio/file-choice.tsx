// A button that chooses a file, keeps it on this machine and hands its id on.
// Not its job: keeping (source-files.ts), or what the file is for.
import { useRef, useState } from 'react';
import { Button } from '../ui/controls.tsx';
import { useStudio } from './hooks.ts';
import './file-choice.css';

export const FileChoice = (props: {
  /** What the file is for; told to whoever cannot see the button's place. */
  label: string;
  accept: string;
  /** Empty: none has been chosen. */
  fileName: string;
  onFile: (fileId: string, fileName: string) => void;
}) => {
  const { label, accept, fileName, onFile } = props;
  const studio = useStudio();
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const keep = async (file: File) => {
    setBusy(true);
    const fileId = await studio.keepFile(file);
    setBusy(false);
    if (fileId !== null) onFile(fileId, file.name.slice(0, 200));
  };
  const words = busy ? 'Keeping' : fileName === '' ? 'Choose a file' : fileName;
  return (
    <div className="file-choice">
      <Button
        disabled={busy}
        label={`${words}: ${label}`}
        title={words}
        onPress={() => input.current?.click()}
      >
        {words}
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        accept={accept}
        aria-label={`${label}: file`}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          if (file) void keep(file);
          event.target.value = '';
        }}
      />
    </div>
  );
};

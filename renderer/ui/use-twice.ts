// For what cannot be taken back: the first press arms it for a few seconds, the second does it.
// Not its job: how the button looks, or keys.
import { useEffect, useState } from 'react';

/** A second press counts as meant within this time. */
const armedMs = 4_000;

export const useTwice = (onPress: () => void): { armed: boolean; press: () => void } => {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    if (!armed) return;
    const timer = setTimeout(() => setArmed(false), armedMs);
    return () => clearTimeout(timer);
  }, [armed]);
  return {
    armed,
    press: () => {
      setArmed(!armed);
      if (armed) onPress();
    },
  };
};

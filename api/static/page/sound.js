// The sound that says: it is your turn. Browsers let a page make one only after somebody has done something on it.

const OFF = "duestream.silent";
let context = null;

export const wanted = {
  get: () => localStorage.getItem(OFF) === null,
  set: (on) => (on ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")),
};

// To be called when somebody does something.
export function allow() {
  if (!window.AudioContext) return;
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => {});
}

// Two notes, the second a fourth higher.
export function chime() {
  if (!wanted.get() || context?.state !== "running") return;
  [[659.26, 0], [880, 0.18]].forEach(([pitch, after]) => {
    const at = context.currentTime + after;
    const note = context.createOscillator();
    const volume = context.createGain();
    note.type = "sine";
    note.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.22, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.9);
    note.connect(volume).connect(context.destination);
    note.start(at);
    note.stop(at + 1);
  });
}

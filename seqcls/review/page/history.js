// Undo and redo over all organs of a clip, without an end while the page is open. A state is
// {tracks: {organ: track}, past: [...], future: [...]}; each entry is one act on one organ.

export function begin(tracks) {
  return { tracks, past: [], future: [] };
}

// The state after an act; the very same one where the act changed nothing.
export function act(state, organ, action, track) {
  const before = state.tracks[organ];
  if (track === before) return state;
  const entry = { organ, action, before, after: track };
  return { tracks: { ...state.tracks, [organ]: track }, past: [...state.past, entry], future: [] };
}

// Several organs at once: one step back undoes one of them.
export function undo(state) {
  const entry = state.past.at(-1);
  if (!entry) return state;
  const tracks = { ...state.tracks, [entry.organ]: entry.before };
  return { tracks, past: state.past.slice(0, -1), future: [entry, ...state.future] };
}

export function redo(state) {
  const [entry, ...future] = state.future;
  if (!entry) return state;
  return { tracks: { ...state.tracks, [entry.organ]: entry.after }, past: [...state.past, entry], future };
}

// Another page changed this organ: what was done to it before cannot be undone any more.
export function replaced(state, organ, track) {
  const others = (entry) => entry.organ !== organ;
  return {
    tracks: { ...state.tracks, [organ]: track },
    past: state.past.filter(others),
    future: state.future.filter(others),
  };
}

// Sends every edit to seqcls, one after the other, and says in words whether all is kept. An edit counts as saved once
// the answer says so: then it lies on the disk. Until then it is sent again, with the same number, so that it is kept
// once.

const AGAIN_MS = 1000;
const PATIENCE_MS = 8000;

export class Saver {
  // say(text, kind): "saved", "busy" or "failed"; takeOver({clip, organ, track}): what another page made of it.
  constructor(say, takeOver) {
    this.say = say;
    this.takeOver = takeOver;
    this.session = [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
    this.turn = 0;
    this.waiting = [];
    this.numbers = new Map(); // by clip and organ, the edit that its track is known from
    this.busy = false;
    this.saved = 0;
  }

  get unsaved() {
    return this.waiting.length;
  }

  know(clip, organ, number) {
    this.numbers.set(`${clip} ${organ}`, number);
  }

  hasUnsaved(clip) {
    return this.waiting.some((edit) => edit.clip === clip);
  }

  send(edit) {
    this.waiting.push({ ...edit, session: this.session, turn: ++this.turn });
    this.run();
  }

  note(clip, prediction) {
    post("/view", { session: this.session, clip, prediction }).catch(() => {}); // the pulse says that nobody answers
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      this.say("saving …", "busy");
      const edit = this.waiting[0];
      const key = `${edit.clip} ${edit.organ}`;
      try {
        const answer = await post("/edit", { ...edit, base: this.numbers.get(key) ?? 0 });
        if (answer.stale) {
          this.waiting = this.waiting.filter((one) => `${one.clip} ${one.organ}` !== key);
          this.numbers.set(key, answer.stale.number);
          this.takeOver({ clip: edit.clip, organ: edit.organ, track: answer.stale.track });
        } else {
          this.waiting.shift();
          this.numbers.set(key, answer.number);
          this.saved += 1;
        }
      } catch (error) {
        if (error.final) {
          this.waiting = this.waiting.filter((one) => `${one.clip} ${one.organ}` !== key);
          this.takeOver({ clip: edit.clip, organ: edit.organ, track: undefined });
          this.say(`not saved: ${error.message}`, "failed");
          this.busy = false;
          return;
        }
        const count = this.waiting.length === 1 ? "1 edit waits" : `${this.waiting.length} edits wait`;
        this.say(`not saved: ${error.message}; ${count}, trying again`, "failed");
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
    this.busy = false;
    this.say("saved", "saved");
  }
}

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new Error("seqcls does not answer; is it running?");
  }
  if (answer.ok) return answer.json();
  const error = new Error((await answer.text()).trim().replace(/^seqcls: /, "") || `status ${answer.status}`);
  error.final = answer.status === 400;
  throw error;
}

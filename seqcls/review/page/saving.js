// Sends every edit to seqcls, one after the other, and says in words whether all is kept. An edit counts as saved once
// the answer says so: then it lies on the disk. Until then it is sent again, with the same number, so that it is kept
// once.

const AGAIN_MS = 1000;
const PATIENCE_MS = 8000;

export class Saver {
  // say(text, kind): "saved", "busy" or "failed". readAgain(clip, organ): a promise of {number, track}, what seqcls has.
  // takeOver({clip, organ, track, why}): what is to be shown instead of edits that were not kept.
  constructor(say, readAgain, takeOver) {
    this.say = say;
    this.readAgain = readAgain;
    this.takeOver = takeOver;
    this.session = [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
    this.turn = 0;
    this.waiting = [];
    this.numbers = new Map(); // by clip and organ, the edit that its track is known from
    this.busy = false;
    this.saved = 0;
    this.dropped = ""; // in words, until the next edit is kept
  }

  get unsaved() {
    return this.waiting.length;
  }

  know(clip, organ, number) {
    this.numbers.set(`${clip} ${organ}`, number);
  }

  // The edit that this page's track is known from; undefined before the clip was opened here.
  known(clip, organ) {
    return this.numbers.get(`${clip} ${organ}`);
  }

  hasUnsaved(clip, organ) {
    return this.waiting.some((edit) => edit.clip === clip && edit.organ === organ);
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
        if (answer.stale) this.drop(edit, answer.stale, "it was changed in another window");
        else {
          this.waiting.shift();
          this.numbers.set(key, answer.number);
          this.saved += 1;
          this.dropped = "";
        }
      } catch (error) {
        if (error.final) {
          const kept = await this.readAgain(edit.clip, edit.organ).catch(() => null);
          if (kept) {
            this.drop(edit, kept, error.message);
            continue;
          }
        }
        const count = this.waiting.length === 1 ? "1 edit waits" : `${this.waiting.length} edits wait`;
        this.say(`not saved: ${error.message}; ${count}, trying again`, "failed");
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
    this.busy = false;
    this.rest();
  }

  // What is to be said while nothing waits.
  rest() {
    if (this.dropped) this.say(this.dropped, "failed");
    else this.say("saved", "saved");
  }

  // Nothing is built on an edit that was not kept: those of the same organ that wait behind it go with it, in words.
  drop({ clip, organ }, { number, track }, why) {
    const others = this.waiting.filter((one) => one.clip !== clip || one.organ !== organ);
    const count = this.waiting.length - others.length;
    this.waiting = others;
    this.numbers.set(`${clip} ${organ}`, number);
    this.dropped = `${count === 1 ? "1 edit" : `${count} edits`} of ${organ} not kept: ${why}`;
    this.takeOver({ clip, organ, track, why });
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

// A run as report/data.py packs it: facts as JSON, and the frames' numbers as one compressed block of bytes.

export async function readRun(facts, base64) {
  const bytes = await inflated(bytesOf(base64));
  const count = facts.frames;
  const block = reader(bytes, count);
  const time_s = new Float64Array(block.summed().buffer);
  const index = wholeNumbers(block.summed());
  const reasonOf = new Uint16Array(block.planes(2).buffer);
  const measured = block.planes(1);
  const raw = facts.scored_organs.map(() => new Float32Array(block.planes(4).buffer));
  const scored = new Uint8Array(count);
  for (const column of raw) for (let row = 0; row < count; row++) if (!Number.isNaN(column[row])) scored[row] = 1;
  const shown_s = new Float64Array(count); // as the state machine sees it: times that run back stand still
  for (let row = 0, latest_s = -Infinity; row < count; row++) {
    shown_s[row] = latest_s = Math.max(latest_s, time_s[row]);
  }
  return { ...facts, time_s, shown_s, index, reasonOf, measured, raw, scored };
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Numbers lie there as planes: the lowest byte of all of them, then the next one.
function reader(bytes, count) {
  let place = 0;
  const planes = (width) => {
    const numbers = new Uint8Array(count * width);
    for (let plane = 0; plane < width; plane++) {
      const from = place + plane * count;
      for (let row = 0, to = plane; row < count; row++, to += width) numbers[to] = bytes[from + row];
    }
    place += count * width;
    return numbers;
  };
  return { planes, summed: () => summed(planes(8)) };
}

// 64-bit numbers, of which none is beyond what a float64 holds.
function wholeNumbers(words) {
  const numbers = new Float64Array(words.length / 2);
  for (let at = 0; at < numbers.length; at++) numbers[at] = (words[2 * at + 1] | 0) * 4294967296 + words[2 * at];
  return numbers;
}

// Each 64-bit number lies there as its difference to the one before.
function summed(numbers) {
  const words = new Uint32Array(numbers.buffer); // low and high half
  for (let at = 2; at < words.length; at += 2) {
    const low = words[at] + words[at - 2];
    words[at + 1] += words[at - 1] + (low > 0xffffffff ? 1 : 0);
    words[at] = low;
  }
  return words;
}

import { setTimeout as sleep } from 'node:timers/promises';

const ready = await sleep(1, true);

export async function handler(event, context) {
  let sum = 0;
  for (let i = 0; ready && i < event.n; i += 1) sum += await sleep(1, i);
  return { sum };
}

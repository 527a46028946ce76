import { setTimeout as sleep } from 'timers';

interface Wanted { n: number }
const later = <T>(value: T): Promise<T> => new Promise((resolve) => sleep(() => resolve(value), 1));

export async function handler(event: Wanted, _context: unknown): Promise<{ sum: number }> {
  const parts = await Promise.all(Array.from({ length: event.n }, (_, i) => later(i)));
  return { sum: parts.reduce((a, b) => a + b, 0) };
}

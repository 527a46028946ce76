export default async function handler(request: unknown, context: { success(value: string): unknown }) {
  return context.success('never');
}

export const config = { timeout: 30000, memory: 256, env_required: ['API_KEY', 'DATABASE_URL', 'OTHER'] };

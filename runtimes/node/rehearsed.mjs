// As rehearsed.cjs, for Node's other loader.
export const handler = async (data) => ({ greeting: `Hello, ${data.name}!` });

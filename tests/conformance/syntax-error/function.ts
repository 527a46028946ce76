// The
// third line is wrong.
export const handler = async (data: ) => 1;

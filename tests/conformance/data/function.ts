exports.handler = async (data: unknown) => ({ data });

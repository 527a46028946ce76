exports.handler = async (data) => ({ data });

exports.handler = async () => 1;
throw new Error('not today');

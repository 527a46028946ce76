exports.handler = async () => ({ which: 'first' });

exports.handler = async (data) => ({ which: 'second', name: data.name });

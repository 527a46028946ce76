exports.handler = async ({ bad }) => (bad ? { n: 1n } : 'fine');

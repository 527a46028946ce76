exports.handler = async ({ mb }) => 'x'.repeat(mb << 20);

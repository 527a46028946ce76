exports.handler = async (data) => ({ there: { name: 'value' } })[data.key].name;

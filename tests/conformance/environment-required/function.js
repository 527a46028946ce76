exports.handler = async () => 'never';

exports.config = { name: 'My Function', env_required: ['API_KEY', 'DATABASE_URL', 'OTHER'] };

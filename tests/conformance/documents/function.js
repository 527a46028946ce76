exports.handler = async (data, context) => {
  const { users } = context.db.project.entities;
  if (data.fail) {
    await users.create({ id: 'one' });
    const codes = [];
    for (const attempt of [() => users.create({ id: 'one' }), () => users.findMany({ age: { $regex: 'x' } })]) {
      await attempt().catch((error) => codes.push(error.code));
    }
    await users.delete('one');
    return codes;
  }
  const john = await users.create({ name: 'John', age: 36, address: { city: 'Oslo' } });
  await users.create({ id: '123', name: 'Ada', age: 28 });
  await users.create({ name: 'Bo', age: 40.5 });
  const ada = await users.findOne({ id: '123' });
  const older = await users.findMany({ age: { $gt: 30 } });
  const sorted = await users.findMany({ filter: {}, sort: '-age', limit: 1 });
  const changed = await users.update('123', { age: 29 });
  const counts = [
    await users.count(), await users.count({ age: { $gte: 36 } }), await users.count({ 'address.city': 'Oslo' }),
  ];
  return {
    created: [john.name, john.address.city, john.id.length > 10, john.created_at === john.updated_at],
    found: [ada.id, ada.name],
    missing: await users.findOne('nobody'),
    older: older.map((user) => user.name),
    sorted: sorted.map((user) => user.name),
    changed: [changed.age, changed.name],
    counts,
    deleted: [await users.delete('123'), await users.delete('123'), await users.deleteMany({})],
    left: (await users.findMany()).length,
  };
};

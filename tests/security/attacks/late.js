// Answers that come late, or to another call.
let leaked;

exports.handler = (data, context, callback) => {
  const say = leaked;
  switch (data.way) {
    case 'ways': return callback(null, ['late', 'leaked', 'twice', 'log']);
    case 'late': return void setTimeout(() => callback(null, 'forged'), 700);
    case 'leaked': leaked = { answer: callback, log: context.log }; return callback(null, data.word);
    case 'twice': callback(null, data.word); return callback(null, 'forged');
    case 'log': leaked = { answer() {}, log: context.log }; return callback(null, data.word);
  }
  if (say) {
    say.answer(null, 'forged');
    say.log('forged');
  }
  return void Promise.resolve().then(() => callback(null, data.word));
};

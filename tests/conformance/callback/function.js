exports.handler = (event, context, callback) => {
  setTimeout(() => {
    if (event.ok) callback(null, { got: event });
    else callback(new Error('refused'));
  }, 1);
};

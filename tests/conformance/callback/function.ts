type Callback = (error: Error | null, result?: unknown) => void;

exports.handler = (event: { ok?: boolean }, context: object, callback: Callback): void => {
  setTimeout(() => {
    if (event.ok) callback(null, { got: event });
    else callback(new Error('refused'));
  }, 1);
};
